package identityjwt

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/go-jose/go-jose/v4"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestS22Rotation: S-22. Over four rotations with two machines, each JWT verifies with the keys
// that an upstream fetched up to one max-age before it was issued, and until it expires;
// few keys are ever published.
func TestS22Rotation(t *testing.T) {
	a := newMachine(t)
	b := a.another()
	type fetched struct {
		at  time.Time
		set jose.JSONWebKeySet
	}
	cached := fetched{a.clock.Time, a.published()}
	signers, first := map[string]bool{}, a.clock.Time
	for step := 0; a.clock.Sub(first) < 122*24*time.Hour; step++ {
		m := []*machine{a, b}[step%2]
		token := m.token(alice())
		if _, err := m.verify(token, cached.set); err != nil {
			t.Fatalf("after %s, with keys of %s ago: %v", a.clock.Sub(first), a.clock.Sub(cached.at), err)
		}
		parsed, _ := jose.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
		signers[parsed.Signatures[0].Header.KeyID] = true
		pause := 6 * time.Minute // more than a check
		if age := a.clock.Sub(first) % rotation; age > 3*time.Hour && age < rotation-3*time.Hour {
			pause = maxAge + time.Minute
		}
		a.clock.pass(pause)
		if a.clock.Sub(cached.at) > maxAge {
			cached = fetched{a.clock.Time, []*machine{a, b}[step/11%2].published()}
			if count := len(cached.set.Keys); count > 3 {
				t.Fatalf("%d keys are published", count)
			}
		}
	}
	if len(signers) != 5 || len(a.problems)+len(b.problems) > 0 {
		t.Errorf("%d keys signed; problems %v %v", len(signers), a.problems, b.problems)
	}
}

// TestS22Publication: S-22. A new key is published one max-age before it signs, and the
// old one until its last JWT has expired.
func TestS22Publication(t *testing.T) {
	m := newMachine(t)
	first := m.published().Keys[0].KeyID
	m.clock.pass(rotation - lead)
	set := m.published()
	if len(set.Keys) != 2 || set.Keys[0].KeyID != first {
		t.Fatalf("published: %+v", set.Keys)
	}
	kidOf := func() string {
		parsed, _ := jose.ParseSigned(m.token(alice()), []jose.SignatureAlgorithm{jose.ES256})
		return parsed.Signatures[0].Header.KeyID
	}
	m.clock.pass(maxAge)
	if kidOf() != first {
		t.Error("the new key signs although an upstream may not have it")
	}
	m.clock.pass(lead - maxAge)
	if kidOf() == first {
		t.Error("the new key does not sign")
	}
	m.clock.pass(maxLifetime)
	if len(m.published().Keys) != 2 {
		t.Error("the old key is gone before its last JWT expired")
	}
	m.clock.pass(keep)
	if len(m.published().Keys) != 1 {
		t.Error("the old key is still published")
	}
}

// TestS22Idle: a machine that was idle for long signs with a key that others publish.
func TestS22Idle(t *testing.T) {
	a := newMachine(t)
	b := a.another()
	b.token(alice())
	for range 60 { // days
		a.clock.pass(24 * time.Hour)
		a.token(alice())
	}
	if _, err := b.verify(b.token(alice()), a.published()); err != nil {
		t.Error(err)
	}
}

// TestS22Unreadable: S-22. Where a key was made and cannot be read, there is no JWT, no
// published key and no new key; known keys stay in use.
func TestS22Unreadable(t *testing.T) {
	good := newMachine(t)
	good.token(alice())
	kept := string(good.storage.files[storageName])
	for name, content := range map[string]string{
		"empty": "", "no JSON": "x", "no keys": `{}`, "null": `null`, "cut": kept[:len(kept)/2],
		"public":               strings.Replace(kept, `"d":"`, `"e":"`, 1),
		"another curve":        strings.Replace(kept, `P-256`, `P-384`, 1),
		"no algorithm":         strings.Replace(kept, `"alg":"ES256"`, `"alg":"HS256"`, 1),
		"no kid":               strings.Replace(kept, `"kid":"`, `"kit":"`, 1),
		"no start":             strings.Replace(kept, `"start"`, `"end"`, 1),
		"one twice":            strings.Replace(kept, `{"keys":[`, `{"keys":[`+kept[len(`{"keys":[`):len(kept)-2]+`,`, 1),
		"a storage that fails": "",
	} {
		m := newMachine(t)
		m.storage.set(content)
		if name == "a storage that fails" {
			m.storage.broken = errDisk
		}
		for range 2 {
			if token, err := m.Token(context.Background(), alice()); err == nil || token != "" || strings.Contains(err.Error(), `"d"`) {
				t.Errorf("%s: %q, %v", name, token, err)
			}
		}
		if m.storage.reads != 1 {
			t.Errorf("%s: %d reads within a second", name, m.storage.reads)
		}
		w := httptest.NewRecorder()
		m.ServeKeys(w, httptest.NewRequest("GET", KeysPath, nil), KeysPath, requestID)
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Request-Id") != requestID() || w.Body.Len() > 0 {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
		if m.storage.writes > 0 || string(m.storage.files[storageName]) != content {
			t.Errorf("%s: a new key was made", name)
		}
		m.storage.broken = nil
		m.storage.set(kept)
		m.clock.pass(firstRetry)
		if _, err := m.verify(m.token(alice()), good.published()); err != nil {
			t.Errorf("%s: repaired: %v", name, err)
		}
	}
}

// TestS22KnownKeys: keys that are known stay in use while the storage fails, is damaged
// or empty, and each try is reported.
func TestS22KnownKeys(t *testing.T) {
	for name, spoil := range map[string]func(*storage){
		"fails":   func(s *storage) { s.broken = errDisk },
		"damaged": func(s *storage) { s.set("x") },
		"empty":   func(s *storage) { s.files = map[string][]byte{} },
	} {
		m := newMachine(t)
		m.token(alice())
		known, writes := m.published(), m.storage.writes
		spoil(m.storage)
		m.clock.pass(rotation - lead + time.Hour)
		for range 3 {
			if _, err := m.verify(m.token(alice()), known); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if len(m.problems) != 1 || m.storage.writes != writes {
			t.Errorf("%s: problems %v, %d writes", name, m.problems, m.storage.writes-writes)
		}
		m.clock.pass(laterRetry)
		m.token(alice())
		if len(m.problems) != 2 {
			t.Errorf("%s: not tried again: %v", name, m.problems)
		}
	}
}

// TestS22UnwritableStorage: if the next key cannot be written, the present one goes on.
func TestS22UnwritableStorage(t *testing.T) {
	m := newMachine(t)
	m.token(alice())
	known := m.published()
	m.clock.pass(rotation)
	m.config.Storage, m.keys.storage = nil, readOnly{m.storage}
	if _, err := m.verify(m.token(alice()), known); err != nil || len(m.problems) != 1 {
		t.Errorf("%v, problems %v", err, m.problems)
	}
}

// readOnly is a storage that cannot be written.
type readOnly struct{ *storage }

func (readOnly) Store(context.Context, string, []byte) error { return errDisk }

// TestS22FirstKey: S-22. The first start makes one key, whichever machine is first, that
// only this user can read.
func TestS22FirstKey(t *testing.T) {
	dir := t.TempDir()
	published := make([]string, 4)
	var all sync.WaitGroup
	for i := range published {
		issuer, err := New(Config{Issuer: testIssuer, Audience: testAudience, Storage: &certmagic.FileStorage{Path: dir}})
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			if _, err := issuer.Token(context.Background(), alice()); err != nil {
				t.Error(err)
			}
			w := httptest.NewRecorder()
			issuer.ServeKeys(w, httptest.NewRequest("GET", KeysPath, nil), KeysPath, requestID)
			published[i] = w.Body.String()
		})
	}
	all.Wait()
	for _, set := range published {
		if set != published[0] || !strings.Contains(set, `"kid"`) || strings.Contains(set, `"d"`) {
			t.Errorf("published %s", set)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(storageName))); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestServeKeys: which requests are answered with the keys.
func TestServeKeys(t *testing.T) {
	m := newMachine(t)
	for _, test := range []struct {
		method, path string
		served       bool
		status       int
	}{
		{"GET", KeysPath, true, 200},
		{"HEAD", KeysPath, true, 200},
		{"POST", KeysPath, true, 405},
		{"OPTIONS", KeysPath, true, 405},
		{"GET", KeysPath + "/", false, 200},
		{"GET", "/.policy_auth/login", false, 200},
	} {
		w := httptest.NewRecorder()
		served := m.ServeKeys(w, httptest.NewRequest(test.method, "/", nil), test.path, requestID)
		body := test.served && test.status == 200 && test.method == "GET"
		if served != test.served || w.Code != test.status || (w.Body.Len() > 0) != body {
			t.Errorf("%s %s: served %t, %d %s", test.method, test.path, served, w.Code, w.Body)
		}
		if test.status == 200 && served && (w.Header().Get("Content-Type") != "application/jwk-set+json" || w.Header().Get("Cache-Control") != "public, max-age=3600") {
			t.Errorf("%v", w.Header())
		}
		if refused := test.status == 405; refused != (w.Header().Get("Allow") == "GET, HEAD") || refused != (w.Header().Get("X-Request-Id") == requestID()) {
			t.Errorf("%s: %v", test.method, w.Header())
		}
	}
	if (*Issuer)(nil).ServeKeys(httptest.NewRecorder(), httptest.NewRequest("GET", KeysPath, nil), KeysPath, requestID) {
		t.Error("a site without identity_jwt publishes keys")
	}
}

// TestConcurrent: many requests at once, while keys are read again (run with -race).
func TestConcurrent(t *testing.T) {
	issuer, err := New(Config{Issuer: testIssuer, Audience: testAudience, Storage: &storage{files: map[string][]byte{}}, Now: concurrentClock()})
	if err != nil {
		t.Fatal(err)
	}
	ids := []*authenticator.Identity{alice(), alice()}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 50 {
				if token, err := issuer.Token(context.Background(), ids[i%2]); err != nil || token == "" {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// concurrentClock returns a clock that runs fast.
func concurrentClock() func() time.Time {
	var mu sync.Mutex
	now := time.Unix(1_800_000_000, 0)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(20 * time.Second)
		return now
	}
}
