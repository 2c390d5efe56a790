package oidc

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// authorize begins a sign-in of which only the error counts.
func (b *bench) authorize() error {
	_, _, err := b.client.Authorize(context.Background(), state, redirectURI, NoStepUp)
	return err
}

const wellKnown = "/.well-known/openid-configuration"

// TestDiscoveryLater: a provider that is down is asked again, ever more rarely,
// and once it is there people sign in without a restart.
func TestDiscoveryLater(t *testing.T) {
	b := newBench(t, nil)
	b.fake.Down = true
	for i, pause := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		if f := failure(t, b.authorize(), http.StatusServiceUnavailable); f.RetryAfter != pause {
			t.Errorf("retry after %s, want %s", f.RetryAfter, pause)
		}
		failure(t, b.authorize(), http.StatusServiceUnavailable) // at once: not asked
		if got := b.fake.Seen(wellKnown); got != i+1 {
			t.Errorf("asked %d times, want %d", got, i+1)
		}
		b.pass(pause)
	}
	b.fake.Set(func(p *oidctest.Provider) { p.Down = false })
	b.mustSignIn()
	if b.mu.Lock(); len(b.told) != 3 {
		t.Errorf("the operator was told %v", b.told)
	}
	b.mu.Unlock()
}

// TestDiscoveryOnce: people who come at once wait for one discovery, and later
// ones use what it found, also while it is found again.
func TestDiscoveryOnce(t *testing.T) {
	b := newBench(t, nil)
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			if err := b.authorize(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := b.fake.Seen(wellKnown); got != 1 {
		t.Errorf("asked %d times", got)
	}
	b.pass(2 * time.Hour)
	b.fake.Set(func(p *oidctest.Provider) { p.Down = true })
	if err := b.authorize(); err != nil {
		t.Errorf("what is known counts no longer: %v", err)
	}
}

// TestDiscoveryCancelled: who goes away waits no longer, and closing ends a
// discovery under way.
func TestDiscoveryCancelled(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Client = &http.Client{Transport: blocked{}} })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err := b.client.Authorize(ctx, state, redirectURI, NoStepUp)
	failure(t, err, http.StatusServiceUnavailable)
	if err := b.client.Close(); err != nil {
		t.Fatal(err)
	}
	failure(t, b.authorize(), http.StatusServiceUnavailable)
	_ = b.client.Close()
}

// blocked never answers.
type blocked struct{}

func (blocked) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestMetadata: endpoints that nobody may be sent to are refused, and so is an
// issuer that signs with none of what counts (R-OID-16, R-JWK-5).
func TestMetadata(t *testing.T) {
	tests := map[string]struct {
		change func(map[string]any)
		want   string // in the error, or "" for none
	}{
		"as it is":                 {func(map[string]any) {}, ""},
		"another issuer":           {func(m map[string]any) { m["issuer"] = "https://evil.example" }, "names another issuer: https://evil.example"},
		"a template of issuers":    {func(m map[string]any) { m["issuer"] = "https://login.example/{tenantid}/v2.0" }, "configure the issuer of your own tenant"},
		"plain http elsewhere":     {func(m map[string]any) { m["token_endpoint"] = "http://id.example.com/token" }, "the metadata's token_endpoint"},
		"no token endpoint":        {func(m map[string]any) { delete(m, "token_endpoint") }, "the metadata's token_endpoint"},
		"a script":                 {func(m map[string]any) { m["authorization_endpoint"] = "javascript:alert(1)" }, "the metadata's authorization_endpoint"},
		"no sign-out":              {func(m map[string]any) { delete(m, "end_session_endpoint") }, ""},
		"algorithms not said":      {func(m map[string]any) { delete(m, "id_token_signing_alg_values_supported") }, ""},
		"algorithms of no use":     {func(m map[string]any) { m["id_token_signing_alg_values_supported"] = []string{"none", "HS256"} }, "signs with none HS256, allowed: RS256"},
		"PKCE not said":            {func(m map[string]any) { delete(m, "code_challenge_methods_supported") }, ""},
		"a member of another sort": {func(m map[string]any) { m["token_endpoint"] = 7 }, "the metadata's token_endpoint is not a text"},
		"a null":                   {func(m map[string]any) { m["authorization_endpoint"] = nil }, "the metadata's authorization_endpoint"},
		"too long":                 {func(m map[string]any) { m["x"] = strings.Repeat("x", maxResponse) }, "longer than 1 MiB"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			b.fake.Metadata = test.change
			err := b.authorize()
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestPlainChallenge: a provider that does not list S256 is sent it all the same,
// and the operator is told (R-OID-16).
func TestPlainChallenge(t *testing.T) {
	b := newBench(t, nil)
	b.fake.Metadata = func(m map[string]any) { m["code_challenge_methods_supported"] = []string{"plain"} }
	b.mustSignIn()
	if b.fake.Asked()[0].Get("code_challenge_method") != "S256" || len(b.told) != 1 || !strings.Contains(b.told[0].Error(), "PKCE") {
		t.Errorf("told %v", b.told)
	}
}

// TestNewErrors: T-63. Errors name the bad word, never the secret.
func TestNewErrors(t *testing.T) {
	keys, err := token.NewRemoteKeySet(token.RemoteKeySetConfig{Issuer: "https://id.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = keys.Close() }()
	tests := map[string]struct {
		change func(*Config)
		want   string
	}{
		"no issuer":         {func(c *Config) { c.Issuer = "" }, `"" is not a URL`},
		"plain http":        {func(c *Config) { c.Issuer = "http://id.example.com" }, "want https"},
		"no client":         {func(c *Config) { c.ClientID = "" }, "client_id: missing"},
		"a prompt":          {func(c *Config) { c.Prompt = []string{"always"} }, "unknown value: always; allowed: none login consent select_account"},
		"none and another":  {func(c *Config) { c.Prompt = []string{"none", "login"} }, "none stands alone"},
		"a scope":           {func(c *Config) { c.Scopes = []string{"a b"} }, `"a b" is not a scope`},
		"a field":           {func(c *Config) { c.Map = map[string][]string{"role": {"x"}} }, `map: "role" is not a field`},
		"a field of no use": {func(c *Config) { c.Map = map[string][]string{"roles": nil} }, "map roles: no source"},
	}
	for name, test := range tests {
		config := Config{Issuer: "https://id.example.com", ClientID: "c", ClientSecret: "test-material-not-a-secret", Keys: keys}
		test.change(&config)
		if _, err := New(config); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), config.ClientSecret) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

// TestS30Metadata: a code goes to the endpoints that it was asked of, and nowhere
// once the metadata has named others.
func TestS30Metadata(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"the token endpoint":         func(m map[string]any) { m["token_endpoint"] = m["issuer"].(string) + "/elsewhere" },
		"the authorization endpoint": func(m map[string]any) { m["authorization_endpoint"] = m["issuer"].(string) + "/elsewhere" },
		"userinfo":                   func(m map[string]any) { m["userinfo_endpoint"] = m["issuer"].(string) + "/elsewhere" },
		"the endpoint of pushes": func(m map[string]any) {
			m["pushed_authorization_request_endpoint"] = m["issuer"].(string) + "/elsewhere"
		},
		"no userinfo":    func(m map[string]any) { delete(m, "userinfo_endpoint") },
		"iss in answers": func(m map[string]any) { delete(m, "authorization_response_iss_parameter_supported") },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			b.fake.Pushed = true
			answer, pending := b.begin(NoStepUp)
			b.fake.Set(func(p *oidctest.Provider) { p.Metadata = change })
			b.pass(2 * time.Hour)
			<-b.client.startDiscovery()
			if len(b.told) != 1 || !strings.Contains(b.told[0].Error(), "other endpoints now") {
				t.Errorf("told %v", b.told)
			}
			_, err := b.client.Exchange(context.Background(), answer, pending)
			if f := failure(t, err, http.StatusBadRequest); !f.Restart || f.Reason != "login_state_invalid" {
				t.Errorf("%+v", f)
			}
			if b.fake.Seen("/token")+b.fake.Seen("/elsewhere") != 0 {
				t.Error("the code was sent")
			}
		})
	}
	b := newBench(t, nil)
	answer, pending := b.begin(NoStepUp)
	b.pass(2 * time.Hour) // found again, and the same
	<-b.client.startDiscovery()
	if _, err := b.client.Exchange(context.Background(), answer, pending); err != nil {
		t.Errorf("with the same metadata: %v", err)
	}
	pending.Endpoints = ""
	if _, err := b.client.Exchange(context.Background(), answer, pending); !failure(t, err, http.StatusBadRequest).Restart {
		t.Errorf("without endpoints: %v", err)
	}
}
