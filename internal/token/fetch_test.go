package token

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// bearing is an issuer that wants a credential and notes which it was sent, by path.
func bearing(t *testing.T, want func() string, redirect map[string]string) (*provider, func(path string) []string) {
	p := newProvider(t)
	var mu sync.Mutex
	got := map[string][]string{}
	p.spoil(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		got[r.URL.Path] = append(got[r.URL.Path], r.Header.Get("Authorization"))
		mu.Unlock()
		switch {
		case redirect[r.URL.Path] != "":
			http.Redirect(w, r, redirect[r.URL.Path], http.StatusFound)
		case r.Header.Get("Authorization") != "Bearer "+want() && r.URL.Path != "/open":
			w.WriteHeader(http.StatusUnauthorized)
		case strings.HasPrefix(r.URL.Path, "/.well-known/"):
			_, _ = w.Write([]byte(p.metadata(p.URL)))
		default:
			_, _ = w.Write([]byte(published("a")))
		}
	})
	return p, func(path string) []string { mu.Lock(); defer mu.Unlock(); return got[path] }
}

// TestN29Bearer: the credential is read anew for each fetch, and an error in
// reading it is a failed fetch that says so.
func TestN29Bearer(t *testing.T) {
	current, fails := "one", false
	p, sent := bearing(t, func() string { return current }, nil)
	c := newHandClock()
	r := newRemote(t, RemoteKeySetConfig{URL: p.URL + "/keys", Now: c.now, Bearer: func() (string, error) {
		if fails {
			return "", errors.New("jwks_bearer: no such file")
		}
		return current, nil
	}})
	if got := found(r, "a"); got != 1 {
		t.Fatalf("%d keys: %s", got, r.Status().Error)
	}
	current = "two"
	c.forward(time.Hour)
	found(r, "a")
	settled(r)
	if got := strings.Join(sent("/keys"), ", "); got != "Bearer one, Bearer two" || r.Status().Error != "" {
		t.Errorf("sent %s; %s", got, r.Status().Error)
	}
	fails = true
	c.forward(time.Hour)
	found(r, "a")
	settled(r)
	if got := len(sent("/keys")); got != 2 || !strings.Contains(r.Status().Error, "no such file") {
		t.Errorf("asked %d times without a credential; %s", got, r.Status().Error)
	}
}

// TestN29BearerMissing: an answer of 401 or 403 is explained.
func TestN29BearerMissing(t *testing.T) {
	p, _ := bearing(t, func() string { return "right" }, nil)
	r := newRemote(t, RemoteKeySetConfig{URL: p.URL + "/keys"})
	if got := found(r, "a"); got != -1 || !strings.Contains(r.Status().Error, "no credential was sent") {
		t.Errorf("%d, %s", got, r.Status().Error)
	}
	r = newRemote(t, RemoteKeySetConfig{URL: p.URL + "/keys", Bearer: func() (string, error) { return "canary-wrong", nil }})
	if got := found(r, "a"); got != -1 || !strings.Contains(r.Status().Error, "is not accepted") || strings.Contains(r.Status().Error, "canary") {
		t.Errorf("%d, %s", got, r.Status().Error)
	}
}

// TestS30Bearer: the credential goes to the origin that the operator named, and to
// no other: not along a redirect, not to where metadata points.
func TestS30Bearer(t *testing.T) {
	bearer := func() (string, error) { return "canary", nil }
	elsewhere, sentElsewhere := bearing(t, func() string { return "canary" }, nil)
	p, sent := bearing(t, func() string { return "canary" }, map[string]string{
		"/same": "/open", "/other": elsewhere.URL + "/keys", "/port": strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1) + "/keys",
	})
	for path, want := range map[string]int{"/keys": 1, "/same": 1, "/other": -1, "/port": -1} {
		r := newRemote(t, RemoteKeySetConfig{URL: p.URL + path, Bearer: bearer})
		if got := found(r, "a"); got != want || strings.Contains(r.Status().Error, "canary") {
			t.Errorf("%s: %d, %s", path, got, r.Status().Error)
		}
		if got := sent(path); len(got) != 1 || got[0] != "Bearer canary" {
			t.Errorf("%s was sent %q", path, got)
		}
	}
	if got := sent("/open"); len(got) != 1 || got[0] != "" {
		t.Errorf("a redirect carried %q", got)
	}
	if got := sentElsewhere("/keys"); len(got) != 0 {
		t.Errorf("another origin was sent %q", got)
	}

	discovered := newRemote(t, RemoteKeySetConfig{Issuer: p.URL, Bearer: bearer})
	if got := found(discovered, "a"); got != 1 {
		t.Errorf("by discovery on one origin: %d, %s", got, discovered.Status().Error)
	}
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		p.spoil(nil)
		p.set(path, string(must(json.Marshal(map[string]string{"issuer": p.URL, "jwks_uri": elsewhere.URL + "/pointed"}))))
	}
	pointed := newRemote(t, RemoteKeySetConfig{Issuer: p.URL, Bearer: bearer})
	if got := found(pointed, "a"); got != -1 {
		t.Errorf("%d keys of another origin", got)
	}
	if got := sentElsewhere("/pointed"); len(got) != 1 || got[0] != "" {
		t.Errorf("where metadata points was sent %q", got)
	}
}

// TestS30Origin: a port that a scheme has by default is the same origin.
func TestS30Origin(t *testing.T) {
	f := newFetcher(RemoteKeySetConfig{URL: "https://ID.example.com/keys", Bearer: func() (string, error) { return "canary", nil }})
	for text, want := range map[string]bool{
		"https://id.example.com/other": true, "https://id.example.com:443/": true, "https://id.example.com:8443/": false,
		"http://id.example.com/": false, "http://id.example.com:443/": false, "https://id.example.com.evil.example/": false, "https://example.com/": false,
	} {
		r := must(http.NewRequest(http.MethodGet, text, nil))
		check(f.authorize(r))
		if got := r.Header.Get("Authorization") != ""; got != want {
			t.Errorf("%s: sent %v", text, got)
		}
	}
}

// TestN29DiscoveryURL: metadata from another address has to name the issuer, and
// what it says is used as it says it.
func TestN29DiscoveryURL(t *testing.T) {
	const issuer = "https://id.example.com/realms/main"
	p := newProvider(t)
	p.set("/keys", published("a"))
	p.set("/md", p.metadata(issuer))
	p.set("/wrong", p.metadata(p.URL))
	p.set("/slash", p.metadata(issuer+"/"))
	for path, want := range map[string]int{"/md": 1, "/wrong": -1, "/slash": -1, "/none": -1} {
		r := newRemote(t, RemoteKeySetConfig{Issuer: issuer, DiscoveryURL: p.URL + path})
		if got := found(r, "a"); got != want {
			t.Errorf("%s: %d, %s", path, got, r.Status().Error)
		}
	}
	if r := newRemote(t, RemoteKeySetConfig{Issuer: issuer, DiscoveryURL: p.URL}); found(r, "a") != -1 || !strings.Contains(r.Status().Error, "the whole URL of the metadata") {
		t.Error(r.Status().Error)
	}
	if p.count("/.well-known/openid-configuration") != 0 {
		t.Error("another place was asked")
	}
	for _, config := range []RemoteKeySetConfig{
		{Issuer: issuer, DiscoveryURL: "http://keycloak:8080/md"}, {Issuer: issuer, DiscoveryURL: "keycloak"},
		{Issuer: issuer, DiscoveryURL: p.URL + "/md", URL: p.URL + "/keys"},
	} {
		if _, err := NewRemoteKeySet(config); err == nil {
			t.Errorf("%+v is accepted", config)
		}
	}
}

// TestN29DiscoveryTLS: with its own CA and an internal address, of a server whose
// metadata names the outer issuer.
func TestN29DiscoveryTLS(t *testing.T) {
	p := newProviderBy(t, httptest.NewTLSServer)
	p.set("/md", p.metadata("https://id.example.com"))
	p.set("/keys", published("a"))
	config := RemoteKeySetConfig{Issuer: "https://id.example.com", DiscoveryURL: p.URL + "/md", Roots: rootsOf(t, p.Server)}
	if r := newRemote(t, config); found(r, "a") != 1 {
		t.Error(r.Status().Error)
	}
}
