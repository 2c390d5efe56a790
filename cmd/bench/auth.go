//go:build linux

package main

import (
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/golang-jwt/jwt/v5"
)

// authCommand is the argument that makes this program the server which
// forward_auth asks.
const authCommand = "auth-server"

// serveAuth answers forward_auth: a small server in Go, which remembers the
// tokens that it has verified and otherwise only looks at method and path.
func serveAuth(address, keyFile string) error {
	content, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	key, err := jwt.ParseECPublicKeyFromPEM(content)
	if err != nil {
		return err
	}
	var verified sync.Map
	return http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if _, known := verified.Load(text); !known {
			_, err := jwt.Parse(text, func(*jwt.Token) (any, error) { return key, nil },
				jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(issuer), jwt.WithAudience(audience))
			if err != nil {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			verified.Store(strings.Clone(text), true)
		}
		if r.Header.Get("X-Forwarded-Method") != http.MethodGet || !strings.HasPrefix(r.Header.Get("X-Forwarded-Uri"), "/api/") {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
}
