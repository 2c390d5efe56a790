package token

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	oauthMetadata  = "/.well-known/oauth-authorization-server"
	openIDMetadata = "/.well-known/openid-configuration"
)

// TestN29DiscoveryGoesOn: whatever the first place answers, the next one is tried, and
// only metadata that names the issuer counts.
//
// R-JWK-5, R-JWK-6
func TestN29DiscoveryGoesOn(t *testing.T) {
	says := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	tests := []struct {
		name   string
		answer func(p *provider) http.HandlerFunc
		told   string
	}{
		{"a start page", func(*provider) http.HandlerFunc { return says("<!doctype html>") }, "not a JSON object"},
		{"no jwks_uri", func(p *provider) http.HandlerFunc { return says(`{"issuer":"` + p.URL + `"}`) }, "names no jwks_uri"},
		{"keys over http", func(p *provider) http.HandlerFunc {
			return says(`{"issuer":"` + p.URL + `","jwks_uri":"http://id.example/keys"}`)
		}, "jwks_uri"},
		{"another issuer", func(p *provider) http.HandlerFunc { return says(p.metadata("https://evil.example")) }, "another issuer: https://evil.example"},
		{"another issuer by a slash", func(p *provider) http.HandlerFunc { return says(p.metadata(p.URL + "/")) }, "differs by the slash at its end alone"},
		{"a template of issuers", func(p *provider) http.HandlerFunc { return says(p.metadata("https://login.example/{tenantid}/v2.0")) }, "the issuer of your own tenant"},
		{"a redirect to another host", func(*provider) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://login.example.com/", http.StatusFound)
			}
		}, "redirect"},
		{"a fault", func(*provider) http.HandlerFunc { return status(http.StatusInternalServerError) }, "500"},
		{"not allowed", func(*provider) http.HandlerFunc { return status(http.StatusUnauthorized) }, "401"},
		{"too much", func(*provider) http.HandlerFunc { return says(strings.Repeat(" ", maxDocument+1)) }, "1 MiB"},
	}
	for _, test := range tests {
		t.Run("N-29 "+test.name, func(t *testing.T) {
			p := newProvider(t)
			p.set(openIDMetadata, p.metadata(p.URL))
			p.set("/keys", published("a"))
			p.at(oauthMetadata, test.answer(p))
			if r := newRemote(t, RemoteKeySetConfig{Issuer: p.URL}); found(r, "a") != 1 {
				t.Errorf("no keys: %s", r.Status().Error)
			}
			p.at(openIDMetadata, test.answer(p))
			r := newRemote(t, RemoteKeySetConfig{Issuer: p.URL})
			if got := found(r, "a"); got != -1 || strings.Count(r.Status().Error, test.told) != 2 {
				t.Errorf("%d keys, told %q, want %q of each place", got, r.Status().Error, test.told)
			}
		})
	}
}

// at has a path answered by a function.
func (p *provider) at(path string, answer http.HandlerFunc) {
	p.mu.Lock()
	old := p.serve
	p.mu.Unlock()
	p.spoil(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		body := p.documents[r.URL.Path]
		p.mu.Unlock()
		switch {
		case r.URL.Path == path:
			answer(w, r)
		case old != nil:
			old(w, r)
		default:
			_, _ = w.Write([]byte(body))
		}
	})
}

// TestN29OpenIDFirst: a login takes the keys that the document names which it reads
// itself.
func TestN29OpenIDFirst(t *testing.T) {
	p := newProvider(t)
	p.set(oauthMetadata+"/t1", `{"issuer":"`+p.URL+`/t1","jwks_uri":"`+p.URL+`/others"}`)
	p.set("/t1"+openIDMetadata, p.metadata(p.URL+"/t1"))
	p.set("/keys", published("a"))
	p.set("/others", published("b"))
	config := RemoteKeySetConfig{Issuer: p.URL + "/t1"}
	if found(newRemote(t, config), "b") != 1 {
		t.Error("RFC 8414 does not come first for bearer tokens")
	}
	key := config.Key()
	config.OpenID = true
	if found(newRemote(t, config), "a") != 1 {
		t.Error("the login's own document does not come first")
	}
	if config.Key() == key {
		t.Error("both share their keys")
	}
}

// TestDiscoveryTimeout: a server that does not answer is asked once.
//
// R-JWK-7
func TestDiscoveryTimeout(t *testing.T) {
	p := newProvider(t)
	p.spoil(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	r := newRemote(t, RemoteKeySetConfig{Issuer: p.URL})
	r.fetcher.client.Timeout = 50 * time.Millisecond
	if got := found(r, "a"); got != -1 {
		t.Errorf("%d keys", got)
	}
	if p.count(oauthMetadata) != 1 || p.count(openIDMetadata) != 0 {
		t.Errorf("asked %v", p.asked)
	}
}
