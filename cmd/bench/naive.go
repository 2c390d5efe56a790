//go:build linux

package main

import (
	"context"
	"crypto/ecdsa"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(new(naive))
	httpcaddyfile.RegisterHandlerDirective("naive", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		h.Next()
		args := h.RemainingArgs()
		if len(args) != 2 {
			return nil, h.ArgErr()
		}
		return &naive{Key: args[0], Policies: args[1]}, nil
	})
	httpcaddyfile.RegisterDirectiveOrder("naive", httpcaddyfile.Before, "basic_auth")
}

// naive is a simple handler to compare with: for each request it verifies the token, builds
// a map and evaluates the policy with the defaults of OPA.
type naive struct {
	// Key is the file of the issuer's public key.
	Key string `json:"key"`
	// Policies is a directory of policies and data.
	Policies string `json:"policies"`

	key   *ecdsa.PublicKey
	query rego.PreparedEvalQuery
}

// CaddyModule implements caddy.Module.
func (*naive) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.bench_naive", New: func() caddy.Module { return new(naive) }}
}

// Provision implements caddy.Provisioner.
func (n *naive) Provision(caddy.Context) error {
	content, err := os.ReadFile(n.Key)
	if err != nil {
		return err
	}
	if n.key, err = jwt.ParseECPublicKeyFromPEM(content); err != nil {
		return err
	}
	n.query, err = rego.New(rego.Query("data.caddy.authz.allow"), rego.Load([]string{n.Policies}, nil)).PrepareForEval(context.Background())
	return err
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (n *naive) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), claims,
		func(*jwt.Token) (any, error) { return n.key, nil },
		jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(issuer), jwt.WithAudience(audience))
	if err != nil {
		return caddyhttp.Error(http.StatusUnauthorized, err)
	}
	results, err := n.query.Eval(r.Context(), rego.EvalInput(document(r, claims)))
	if err != nil || !results.Allowed() {
		return caddyhttp.Error(http.StatusForbidden, err)
	}
	return next.ServeHTTP(w, r)
}

// document is the input for a request.
func document(r *http.Request, claims jwt.MapClaims) map[string]any {
	headers := map[string]any{}
	for name, values := range r.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	client, _, _ := net.SplitHostPort(r.RemoteAddr)
	return map[string]any{
		"request": map[string]any{
			"method": r.Method, "host": r.Host, "path": r.URL.Path, "headers": headers, "query": r.URL.Query(),
			"segments": strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/"),
		},
		"client":   map[string]any{"ip": client},
		"identity": map[string]any{"authenticated": true, "id": claims["sub"], "claims": map[string]any(claims)},
	}
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*naive)(nil)
	_ caddyhttp.MiddlewareHandler = (*naive)(nil)
)
