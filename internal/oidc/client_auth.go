package oidc

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The ways in which a client proves who it is (OpenID Connect Core, section 9).
const (
	AuthBasic         = "basic"
	AuthPost          = "post"
	AuthPrivateKeyJWT = "private_key_jwt"
	authNone          = "none" // a public client
)

// AuthMethods are the values of Config.AuthMethod beside "".
var AuthMethods = []string{AuthBasic, AuthPost, AuthPrivateKeyJWT}

// metadataNames are the names of the methods in metadata.
var metadataNames = map[string]string{
	AuthBasic: "client_secret_basic", AuthPost: "client_secret_post", AuthPrivateKeyJWT: "private_key_jwt",
}

// ClientAuth authenticates a client to an endpoint of its provider (RFC 6749, section
// 2.3; RFC 7523).
type ClientAuth struct {
	// Method is one of AuthMethods; "" means basic, if there is a secret, or none.
	Method string
	// ID is the client ID.
	ID string
	// Secret is the secret for basic and post.
	Secret string
	// Key is the key for private_key_jwt.
	Key *ClientKey
	// Algorithm is that of assertions; "" means the one that the key prefers.
	Algorithm string
	// Audience is the audience of assertions: the provider's issuer (S-29).
	Audience string
}

// Check returns an error for options that exclude each other or are missing. It names
// them as configurations do: client_id, client_secret, client_auth_method, client_key.
func (a ClientAuth) Check() error {
	switch {
	case a.ID == "":
		return errors.New("client_id: missing: it is what the provider calls this site")
	case a.Method != "" && !slices.Contains(AuthMethods, a.Method):
		return fmt.Errorf("client_auth_method: unknown value: %s; allowed: %s", a.Method, strings.Join(AuthMethods, " "))
	case a.Method == AuthPrivateKeyJWT && a.Secret != "":
		return errors.New("client_secret: with client_auth_method private_key_jwt the client proves itself by client_key: remove client_secret")
	case a.Method == AuthPrivateKeyJWT && a.Key == nil:
		return errors.New("client_auth_method private_key_jwt: client_key is missing: name a file with a private key in PEM")
	case a.Method != AuthPrivateKeyJWT && a.Key != nil:
		return errors.New("client_key: it is for client_auth_method private_key_jwt: add that line")
	case a.Method != "" && a.Method != AuthPrivateKeyJWT && a.Secret == "":
		return fmt.Errorf("client_auth_method %s: client_secret is missing", a.Method)
	}
	return nil
}

// NewRequest returns a POST request of a form, which it adds to, with client
// authentication. The request asks for JSON.
func (a ClientAuth) NewRequest(endpoint string, form url.Values, now time.Time) (*http.Request, error) {
	basic := a.Method == AuthBasic || a.Method == "" && a.Secret != ""
	if !basic {
		form.Set("client_id", a.ID)
	}
	switch a.Method {
	case AuthPost:
		form.Set("client_secret", a.Secret)
	case AuthPrivateKeyJWT:
		algorithm := cmp.Or(a.Algorithm, a.Key.algorithms[0])
		signed, err := a.Key.assertion(algorithm, a.ID, a.Audience, now)
		if err != nil {
			return nil, errors.New("client_key: signing a client assertion failed")
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", signed)
	}
	r, err := http.NewRequest(http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if basic { // RFC 6749, section 2.3.1
		r.SetBasicAuth(url.QueryEscape(a.ID), url.QueryEscape(a.Secret))
	}
	return r, nil
}

// clientAuth returns the configured client authentication.
func (c Config) clientAuth() ClientAuth {
	return ClientAuth{Method: c.AuthMethod, ID: c.ClientID, Secret: c.ClientSecret, Key: c.ClientKey, Audience: c.Issuer}
}

// authMethod returns the client authentication method: the configured one, or
// client_secret_basic, which every provider must support (RFC 6749, section 2.3.1),
// or client_secret_post if the metadata offers only that. It never tries one after
// the other, since this would send a code twice.
func (p *Provider) authMethod(offered []string) string {
	switch {
	case p.config.AuthMethod != "":
		return p.config.AuthMethod
	case p.config.ClientSecret == "":
		return authNone
	case len(offered) > 0 && !slices.Contains(offered, metadataNames[AuthBasic]) && slices.Contains(offered, metadataNames[AuthPost]):
		return AuthPost
	}
	return AuthBasic
}

// checkAuthSupport reports to the operator if the metadata does not offer the
// client's method. The method is used anyway, because metadata is often incomplete.
func (p *Provider) checkAuthSupport(m *metadata, doc *document) {
	name := metadataNames[m.auth]
	if len(doc.AuthMethods) > 0 && name != "" && !slices.Contains(doc.AuthMethods, name) {
		advice := "none of them is supported here"
		for _, method := range AuthMethods {
			if slices.Contains(doc.AuthMethods, metadataNames[method]) {
				advice = "write client_auth_method " + method
				if method == AuthPrivateKeyJWT {
					advice += " and client_key <file> in login oidc, without client_secret"
				}
				break
			}
		}
		p.config.Report(fmt.Errorf("the token endpoint takes %s, not %s: %s", printable(strings.Join(doc.AuthMethods, " ")), name, advice))
	}
	if m.auth != AuthPrivateKeyJWT {
		return
	}
	var fits bool
	if m.algorithm, fits = p.config.ClientKey.chooseAlgorithm(doc.AuthAlgorithms); !fits {
		p.config.Report(fmt.Errorf("the token endpoint takes client assertions signed with %s, and client_key is an %s key, which signs with %s: register another key",
			printable(strings.Join(doc.AuthAlgorithms, " ")), p.config.ClientKey.kind, strings.Join(p.config.ClientKey.algorithms, " ")))
	}
}

// newRequest returns a POST request with client authentication.
func (p *Provider) newRequest(m *metadata, endpoint string, form url.Values) (*http.Request, error) {
	auth := p.config.clientAuth()
	auth.Method, auth.Algorithm = m.auth, m.algorithm
	return auth.NewRequest(endpoint, form, p.config.Now())
}
