package oidc

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
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

// checkAuth returns an error for options that exclude each other or are missing.
func (c Config) checkAuth() error {
	switch {
	case c.AuthMethod != "" && !slices.Contains(AuthMethods, c.AuthMethod):
		return fmt.Errorf("client_auth_method: unknown value: %s; allowed: %s", c.AuthMethod, strings.Join(AuthMethods, " "))
	case c.AuthMethod == AuthPrivateKeyJWT && c.ClientSecret != "":
		return errors.New("client_secret: with client_auth_method private_key_jwt the client proves itself by client_key: remove client_secret")
	case c.AuthMethod == AuthPrivateKeyJWT && c.ClientKey == nil:
		return errors.New("client_auth_method private_key_jwt: client_key is missing: name a file with a private key in PEM")
	case c.AuthMethod != AuthPrivateKeyJWT && c.ClientKey != nil:
		return errors.New("client_key: it is for client_auth_method private_key_jwt: add that line")
	case c.AuthMethod != "" && c.AuthMethod != AuthPrivateKeyJWT && c.ClientSecret == "":
		return fmt.Errorf("client_auth_method %s: client_secret is missing", c.AuthMethod)
	}
	return nil
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
	if m.auth != AuthBasic {
		form.Set("client_id", p.config.ClientID)
	}
	switch m.auth {
	case AuthPost:
		form.Set("client_secret", p.config.ClientSecret)
	case AuthPrivateKeyJWT:
		signed, err := p.config.ClientKey.assertion(m.algorithm, p.config.ClientID, p.config.Issuer, p.config.Now())
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
	if m.auth == AuthBasic { // RFC 6749, section 2.3.1
		r.SetBasicAuth(url.QueryEscape(p.config.ClientID), url.QueryEscape(p.config.ClientSecret))
	}
	return r, nil
}
