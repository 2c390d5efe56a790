package token

import (
	"net/http"
	"strings"
	"testing"
)

// TestN57Subject: a refused token tells whose it is if its issuer has signed it, and
// only then; what it says otherwise does not matter, and no key is waited for.
func TestN57Subject(t *testing.T) {
	other := func(raw string) string { return raw[:len(raw)-4] + "AAAA" }
	changed := func(changes map[string]any) string { return token("ES256", changes) }
	past := testNow.Unix() - 3600
	tests := []struct{ name, raw, want string }{
		{"expired", changed(map[string]any{"exp": past}), "alice"},
		{"not yet valid", changed(map[string]any{"nbf": testNow.Unix() + 3600}), "alice"},
		{"another audience", changed(map[string]any{"aud": "other"}), "alice"},
		{"bound", changed(map[string]any{"cnf": map[string]any{"jkt": "x"}}), "alice"},
		{"expired and forged", other(changed(map[string]any{"exp": past})), ""},
		{"of another audience and forged", other(changed(map[string]any{"aud": "other"})), ""},
		{"of another issuer", changed(map[string]any{"iss": "https://other.example", "exp": past}), ""},
		{"another algorithm", token("HS256", map[string]any{"exp": past}), ""},
		{"without a subject", changed(map[string]any{"sub": nil, "exp": past}), ""},
		{"a long one", changed(map[string]any{"sub": strings.Repeat("x", 1000), "exp": past}), strings.Repeat("x", maxDetail) + "…"},
		{"not printable", changed(map[string]any{"sub": "a\x1b[2J", "exp": past}), `a\x1b[2J`},
		{"no token", "x", ""},
		{"none", "", ""},
	}
	for _, test := range tests {
		t.Run("N-57 "+test.name, func(t *testing.T) {
			if got := newVerifier(t, testConfig(t, "ES256")).Subject(test.raw); got != test.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestN57KeysAtHand: keys that are not there yet are fetched for the next token. No
// caller waits for them, and a source that may wait is not asked.
func TestN57KeysAtHand(t *testing.T) {
	config := testConfig(t, "ES256")
	raw := token("ES256", map[string]any{"exp": testNow.Unix() - 3600})
	plain := config
	plain.Keys = unheld{config.Keys}
	if got := newVerifier(t, plain).Subject(raw); got != "" {
		t.Errorf("a source that may wait: %q", got)
	}
	p := newProvider(t)
	release := make(chan struct{})
	p.spoil(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = w.Write([]byte(published("k")))
	})
	r := newRemote(t, RemoteKeySetConfig{URL: p.URL + "/keys"})
	config.Keys = r
	v := newVerifier(t, config)
	if got := v.Subject(raw); got != "" {
		t.Errorf("before the keys are there: %q", got)
	}
	close(release)
	settled(r)
	if got := v.Subject(raw); got != "alice" || p.count("/keys") > 1 {
		t.Errorf("once they are there: %q, asked %d times", got, p.count("/keys"))
	}
}

// unheld is a source that does not tell which keys it has.
type unheld struct{ KeySource }
