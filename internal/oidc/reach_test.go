package oidc

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// newReached returns a client of a provider with a certificate of its own CA, whose
// issuer is a host that does not exist and whose metadata is fetched elsewhere.
func newReached(t *testing.T, change func(*Config)) (*bench, *oidctest.Provider) {
	fake, root := oidctest.NewTLS(t)
	inside := fake.URL
	fake.URL = "https://id.invalid"
	fake.Metadata = func(m map[string]any) {
		for _, endpoint := range []string{"authorization_endpoint", "token_endpoint", "userinfo_endpoint"} {
			m[endpoint] = strings.Replace(m[endpoint].(string), fake.URL, inside, 1)
		}
	}
	roots, err := token.ParseRootCAs("ca.pem", []byte(root))
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, func(c *Config) {
		c.Issuer, c.DiscoveryURL, c.Roots = fake.URL, inside+wellKnown, roots
		change(c)
	})
	fake.Now = b.now
	return b, fake
}

// TestN29Reached: a provider with a CA of its own, at another address than its
// issuer, is asked; without the one or the other it is out of reach.
func TestN29Reached(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"as configured":      {func(*Config) {}, ""},
		"without tls_ca":     {func(c *Config) { c.Roots = nil }, "certificate signed by unknown authority"},
		"without the URL":    {func(c *Config) { c.DiscoveryURL = "" }, "id.invalid"},
		"not the metadata":   {func(c *Config) { c.DiscoveryURL += "x" }, "status is 404"},
		"a base URL":         {func(c *Config) { c.DiscoveryURL = strings.TrimSuffix(c.DiscoveryURL, wellKnown) }, "the whole URL of the metadata"},
		"another issuer":     {func(c *Config) { c.Issuer = "https://other.invalid" }, "names another issuer: https://id.invalid"},
		"an issuer too long": {func(c *Config) { c.Issuer += "/" }, "names another issuer: https://id.invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			b, fake := newReached(t, test.change)
			err := b.authorize()
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if fake.Seen("/token") != 0 {
				t.Error("the token endpoint was asked")
			}
		})
	}
	if _, err := New(Config{Issuer: "https://id.example.com", DiscoveryURL: "http://keycloak:8080/", ClientID: "c"}); err == nil || !strings.Contains(err.Error(), "discovery_url") {
		t.Errorf("a plain discovery_url: %v", err)
	}
}

// TestN29TokenEndpoint: the code and the access token go over connections that trust
// tls_ca as well.
func TestN29TokenEndpoint(t *testing.T) {
	b, fake := newReached(t, func(*Config) {})
	_, pending, err := b.client.Authorize(context.Background(), state, redirectURI, NoStepUp)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.client.Exchange(context.Background(), map[string][]string{"code": {"unknown"}, "iss": {fake.URL}}, pending)
	if failure(t, err, http.StatusBadRequest); fake.Seen("/token") != 1 {
		t.Errorf("the token endpoint was not reached: %v", err)
	}
}
