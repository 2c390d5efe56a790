package token

import (
	"context"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// provider is an issuer that a test can spoil.
type provider struct {
	*httptest.Server
	mu        sync.Mutex
	documents map[string]string // path → body; what is not there is a 404
	serve     http.HandlerFunc  // answers instead, if set
	asked     map[string]int
}

func newProvider(t testing.TB) *provider { return newProviderBy(t, httptest.NewServer) }

// newProviderBy starts an issuer by httptest.NewServer or NewTLSServer.
func newProviderBy(t testing.TB, start func(http.Handler) *httptest.Server) *provider {
	p := &provider{documents: map[string]string{}, asked: map[string]int{}}
	p.Server = start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked[r.URL.Path]++
		body, found := p.documents[r.URL.Path]
		serve := p.serve
		p.mu.Unlock()
		switch {
		case serve != nil:
			serve(w, r)
		case !found:
			http.NotFound(w, r)
		default:
			w.Header().Set("Cache-Control", "public, max-age=600")
			_, _ = w.Write([]byte(body))
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) set(path, body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.documents[path] = body
}

func (p *provider) spoil(serve http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serve = serve
}

func (p *provider) count(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

// published is a set of one P-256 key under several kids, as an issuer publishes it.
func published(kids ...string) string {
	var keys []string
	for _, kid := range kids {
		public := publicOf(signer("ES256")).(*ecdsa.PublicKey)
		point, err := public.Bytes()
		check(err)
		encode := base64.RawURLEncoding.EncodeToString
		keys = append(keys, fmt.Sprintf(`{"kty":"EC","crv":"P-256","kid":%q,"use":"sig","x":%q,"y":%q}`, kid, encode(point[1:33]), encode(point[33:])))
	}
	return `{"keys":[` + strings.Join(keys, ",") + `]}`
}

func (p *provider) metadata(issuer string) string {
	return string(must(json.Marshal(map[string]string{"issuer": issuer, "jwks_uri": p.URL + "/keys"})))
}

// handClock is a clock that a test moves.
type handClock struct{ at atomic.Int64 }

func newHandClock() *handClock               { c := new(handClock); c.at.Store(testNow.UnixNano()); return c }
func (c *handClock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *handClock) forward(d time.Duration) { c.at.Add(int64(d)) }

func newRemote(t testing.TB, config RemoteKeySetConfig) *RemoteKeySet {
	t.Helper()
	r, err := NewRemoteKeySet(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(r.Close()); check(r.Close()) })
	return r
}

// found returns how many keys fit, or -1 if nobody can tell.
func found(r *RemoteKeySet, kid string) int {
	keys, err := r.Candidates(kid, "ES256")
	if err != nil {
		return -1
	}
	return len(keys)
}

// settled waits until no fetch is under way, and what was fetched is kept.
func settled(r *RemoteKeySet) {
	r.mu.Lock()
	inflight := r.inflight
	r.mu.Unlock()
	if inflight != nil {
		<-inflight
	}
	r.saves.Wait()
}

// TestDiscovery: R-JWK-5, R-JWK-6. The places in their order, and no other
// issuer's metadata.
func TestDiscovery(t *testing.T) {
	tests := []struct {
		name, path string // of the issuer
		at         string // where its metadata is
		issuer     string // that it names, "" for its own
		want       bool
	}{
		{"RFC 8414, no path", "", "/.well-known/oauth-authorization-server", "", true},
		{"OpenID, no path", "", "/.well-known/openid-configuration", "", true},
		{"RFC 8414, path", "/t1", "/.well-known/oauth-authorization-server/t1", "", true},
		{"OpenID before the path", "/t1", "/.well-known/openid-configuration/t1", "", true},
		{"OpenID behind the path", "/t1", "/t1/.well-known/openid-configuration", "", true},
		{"a slash at the end", "/", "/.well-known/openid-configuration", "", true},
		{"nowhere", "", "/elsewhere", "", false},
		{"another issuer", "", "/.well-known/openid-configuration", "https://evil.example", false},
		{"a slash too many", "", "/.well-known/openid-configuration", "/", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newProvider(t)
			issuer := p.URL + test.path
			named := test.issuer
			if !strings.HasPrefix(named, "https") {
				named = issuer + test.issuer
			}
			p.set(test.at, p.metadata(named))
			p.set("/keys", published("a"))
			r := newRemote(t, RemoteKeySetConfig{Issuer: issuer})
			if got := found(r, "a"); (got == 1) != test.want {
				t.Errorf("%d keys, %s", got, r.Status().Error)
			}
			if s := r.Status(); test.want && (s.URL != p.URL+"/keys" || s.Keys[0].KID != "a" || s.Error != "") {
				t.Errorf("status %+v", s)
			}
		})
	}
}

// TestMetadataForms: whatever a metadata document holds, it names keys over
// https or is refused (R-JWK-7, T-53).
func TestMetadataForms(t *testing.T) {
	for document, want := range map[string]bool{
		`{"issuer":"https://id.example","jwks_uri":"https://id.example/keys"}`:     true,
		`{"issuer":"https://id.example","jwks_uri":"http://id.example/keys"}`:      false,
		`{"issuer":"https://id.example","jwks_uri":"file:///etc/passwd"}`:          false,
		`{"issuer":"https://id.example","jwks_uri":"https://u:p@id.example/keys"}`: false,
		`{"issuer":"https://id.example","jwks_uri":""}`:                            false,
		`{"issuer":"https://id.example"}`:                                          false,
		`{"issuer":"https://id.example","jwks_uri":5}`:                             false,
		`{"issuer":["https://id.example"],"jwks_uri":"https://id.example/keys"}`:   false,
		`{"jwks_uri":"https://id.example/keys"}`:                                   false,
		`[]`:                                                                       false, `null`: false, ``: false, `{`: false,
	} {
		if _, err := metadataKeys([]byte(document), "https://id.example"); (err == nil) != want {
			t.Errorf("%s: %v", document, err)
		}
	}
}

// TestRemoteURLs: R-JWK-7, keys come over https, or from this machine.
func TestRemoteURLs(t *testing.T) {
	for text, want := range map[string]bool{
		"https://id.example/keys": true, "http://127.0.0.1:9/keys": true, "http://localhost/keys": true, "http://[::1]/keys": true,
		"http://id.example/keys": false, "ftp://id.example": false, "id.example": false, "": false, "https://": false, "https://a@b": false, "https://a/#b": false,
	} {
		if _, err := NewRemoteKeySet(RemoteKeySetConfig{URL: text}); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestRemoteRotation: R-JWK-4. A new kid is asked for once, and a key that is
// gone does not verify any more.
func TestRemoteRotation(t *testing.T) {
	p := newProvider(t)
	p.set("/keys", published("old"))
	c := newHandClock()
	r := newRemote(t, RemoteKeySetConfig{URL: p.URL + "/keys", Now: c.now})
	if p.count("/keys") != 0 {
		t.Error("the network was used before a token came")
	}
	if found(r, "old") != 1 || p.count("/keys") != 1 {
		t.Fatal("no keys")
	}
	p.set("/keys", published("new"))
	if found(r, "new") != 0 {
		t.Error("asked again at once")
	}
	c.forward(40 * time.Second)
	if found(r, "new") != 1 || found(r, "old") != 0 || p.count("/keys") != 2 {
		t.Errorf("rotated: new %d, old %d, asked %d times", found(r, "new"), found(r, "old"), p.count("/keys"))
	}
}

// TestRemoteFlood: T-35, T-53. Ten thousand random kids cause one fetch in an
// interval, also at once.
func TestRemoteFlood(t *testing.T) {
	p := newProvider(t)
	p.set("/keys", published("a"))
	c := newHandClock()
	r := newRemote(t, RemoteKeySetConfig{URL: p.URL + "/keys", Now: c.now})
	found(r, "a")
	c.forward(time.Minute)
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 1250 {
				if got := found(r, fmt.Sprintf("random-%d-%d", worker, i)); got != 0 {
					t.Errorf("%d keys for a random kid", got)
				}
			}
		})
	}
	group.Wait()
	if got := p.count("/keys"); got != 2 {
		t.Errorf("%d fetches", got)
	}
}

// TestRemoteOutage: R-JWK-7, R-JWK-8, R-401-6, T-53. The last good keys count until max_stale,
// then nobody can tell; when the issuer is back, so are the keys.
func TestRemoteOutage(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"down":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"garbage": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"empty":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) },
		"huge":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxDocument+1)) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://localhost:1/keys", http.StatusFound)
		},
		"loop":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
		"twice": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[],"keys":[]}`)) },
		"a secret": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"keys":[{"kty":"oct","k":"AAAA","kid":"a"}]}`))
		},
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			p.set("/keys", published("a"))
			c := newHandClock()
			var reports atomic.Int64
			r := newRemote(t, RemoteKeySetConfig{URL: p.URL + "/keys", Now: c.now, MaxStale: time.Hour, Report: func(string, error) { reports.Add(1) }})
			if found(r, "a") != 1 {
				t.Fatal("no keys")
			}
			p.spoil(answer)
			c.forward(11 * time.Minute) // no longer fresh
			if found(r, "a") != 1 {
				t.Error("stale keys are not used")
			}
			settled(r)
			if r.Status().Error == "" || reports.Load() == 0 {
				t.Error("nobody is told")
			}
			c.forward(2 * time.Hour)
			if got := found(r, "a"); got != -1 {
				t.Errorf("beyond max_stale: %d", got)
			}
			p.spoil(nil)
			c.forward(time.Minute)
			if found(r, "a") != 1 || r.Status().Error != "" {
				t.Errorf("back again: %+v", r.Status())
			}
		})
	}
}

// TestRemoteSlow: an issuer that does not answer keeps nobody waiting who has
// keys, and everybody else no longer than a few seconds.
//
// R-JWK-7
func TestRemoteSlow(t *testing.T) {
	p := newProvider(t)
	p.set("/keys", published("a"))
	c := newHandClock()
	r := newRemote(t, RemoteKeySetConfig{URL: p.URL + "/keys", Now: c.now})
	found(r, "a")
	release := make(chan struct{})
	p.spoil(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	c.forward(11 * time.Minute)
	start := time.Now()
	for range 100 {
		if found(r, "a") != 1 {
			t.Error("stale keys are not used")
		}
	}
	if took := time.Since(start); took > fetchTimeout/2 {
		t.Errorf("it took %s", took)
	}
	close(release)
	settled(r)
	if r.fetcher.client.Timeout != fetchTimeout {
		t.Error("a fetch has no time limit")
	}
}

// TestRemoteDuplicateKids: R-JWK-3, a kid that names two keys of one type means
// neither, and the others go on.
func TestRemoteDuplicateKids(t *testing.T) {
	p := newProvider(t)
	p.set("/keys", string(jwks(
		ecJWK(&p256Key().PublicKey, map[string]any{"kid": "a"}),
		ecJWK(&p256Key().PublicKey, map[string]any{"kid": "b"}),
		ecJWK(&newECKeys()["ES256"].PublicKey, map[string]any{"kid": "b"}),
	)))
	var reported atomic.Int64
	r := newRemote(t, RemoteKeySetConfig{URL: p.URL + "/keys", Report: func(string, error) { reported.Add(1) }})
	if found(r, "a") != 1 || found(r, "b") != 0 || reported.Load() == 0 {
		t.Errorf("a %d, b %d, reported %d", found(r, "a"), found(r, "b"), reported.Load())
	}
}

// TestRemoteColdStart: while there is nothing, nobody can tell, and a fetch is
// tried again within ten seconds.
func TestRemoteColdStart(t *testing.T) {
	p := newProvider(t)
	c := newHandClock()
	r := newRemote(t, RemoteKeySetConfig{Issuer: p.URL, Now: c.now})
	for range 5 {
		if got := found(r, "a"); got != -1 {
			t.Errorf("%d keys", got)
		}
	}
	if got := p.count("/.well-known/openid-configuration"); got != 1 {
		t.Errorf("asked %d times at once", got)
	}
	p.set("/.well-known/openid-configuration", p.metadata(p.URL))
	p.set("/keys", published("a"))
	c.forward(10 * time.Second)
	if got := found(r, "a"); got != 1 {
		t.Errorf("after ten seconds: %d", got)
	}
}

// memory is a Store.
type memory struct {
	mu   sync.Mutex
	kept map[string][]byte
}

func (m *memory) Load(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if data, ok := m.kept[name]; ok {
		return data, nil
	}
	return nil, errors.New("nothing")
}

func (m *memory) Save(_ context.Context, name string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept[name] = data
	return nil
}

// TestRemoteRestart: T-58, the last good keys outlive a restart, for as long as
// they would have counted anyway, and nothing that was tampered with does.
func TestRemoteRestart(t *testing.T) {
	p := newProvider(t)
	p.set("/keys", published("a"))
	c := newHandClock()
	store := &memory{kept: map[string][]byte{}}
	config := RemoteKeySetConfig{URL: p.URL + "/keys", Now: c.now, MaxStale: time.Hour, Store: store}
	first := newRemote(t, config)
	if found(first, "a") != 1 {
		t.Fatal("no keys")
	}
	first.saves.Wait()
	p.spoil(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	c.forward(30 * time.Minute)
	if got := found(newRemote(t, config), "a"); got != 1 {
		t.Errorf("after a restart: %d", got)
	}
	c.forward(2 * time.Hour)
	if got := found(newRemote(t, config), "a"); got != -1 {
		t.Errorf("long after: %d", got)
	}
	for _, data := range []string{"", "{}", "nonsense", `{"fetched_at":"2100-01-01T00:00:00Z","fresh_until":"2100-01-01T01:00:00Z","keys":` + published("a") + `}`, `{"fetched_at":"2026-01-01T00:00:00Z","fresh_until":"2999-01-01T01:00:00Z","keys":` + published("a") + `}`} {
		check(store.Save(t.Context(), config.Key(), []byte(data)))
		if got := found(newRemote(t, config), "a"); got != -1 {
			t.Errorf("%q counts: %d", data, got)
		}
	}
}

// TestRefusePrivate: R-JWK-7, metadata does not lead into a private network
// unless the operator named the host.
func TestRefusePrivate(t *testing.T) {
	p := newProvider(t)
	other := strings.Replace(p.URL, "127.0.0.1", "localhost", 1)
	p.set("/.well-known/openid-configuration", string(must(json.Marshal(map[string]string{"issuer": p.URL, "jwks_uri": other + "/keys"}))))
	p.set("/keys", published("a"))
	r := newRemote(t, RemoteKeySetConfig{Issuer: p.URL})
	if got := found(r, "a"); got != -1 || !strings.Contains(r.Status().Error, "private network") {
		t.Errorf("%d, %s", got, r.Status().Error)
	}
}

// TestFreshness: R-JWK-8, max-age is heeded within bounds.
func TestFreshness(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": defaultFreshness, "public, max-age=600": 10 * time.Minute, "max-age=1": minFreshness, "MAX-AGE=99999999": maxFreshness,
		"max-age=-1": defaultFreshness, "max-age=99999999999999999999": defaultFreshness, "no-store": defaultFreshness, "max-age": defaultFreshness,
	} {
		if got := freshness(header); got != want {
			t.Errorf("%q: %s", header, got)
		}
	}
}

// TestRemoteClosed: a closed source does not wait, and leaves nothing running.
func TestRemoteClosed(t *testing.T) {
	p := newProvider(t)
	asked, release := make(chan struct{}, 1), make(chan struct{})
	p.spoil(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	r, err := NewRemoteKeySet(RemoteKeySetConfig{URL: p.URL})
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan int)
	go func() { waiting <- found(r, "a") }()
	<-asked
	check(r.Close())
	if got := <-waiting; got != -1 {
		t.Errorf("%d keys", got)
	}
	if got := found(r, "a"); got != -1 {
		t.Errorf("%d keys of a closed source", got)
	}
}

// FuzzMetadata: no metadata document panics the decoder, and what it names is
// fetched over https or from this machine (T-66).
func FuzzMetadata(f *testing.F) {
	f.Add(`{"issuer":"https://id.example","jwks_uri":"https://id.example/keys"}`)
	f.Add(`{"issuer":null,"jwks_uri":{}}`)
	f.Fuzz(func(t *testing.T, document string) {
		from, err := metadataKeys([]byte(document), "https://id.example")
		if err == nil && !strings.HasPrefix(strings.ToLower(from), "https://") && !strings.HasPrefix(strings.ToLower(from), "http://") {
			t.Errorf("%q", from)
		}
	})
}
