package session

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/person"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// clock is a time that only tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// site is a site's sessions under test, with a store of its own.
type site struct {
	*Sessions
	clock *clock
	store *store.Memory
}

// sealer returns a sealer with the key of all tests.
func sealer() *store.Sealer {
	return store.NewSealer(store.Secret(make([]byte, store.SecretSize)), nil)
}

func newSite(t testing.TB, config Config) site {
	t.Helper()
	c := &clock{t: time.Unix(1_800_000_000, 0)}
	memory := store.NewMemory(c.now)
	return site{in(t, NewRegistry(memory, sealer()), c, config), c, memory}
}

// in returns another site's view of a registry.
func in(t testing.TB, registry *Registry, c *clock, config Config) *Sessions {
	t.Helper()
	config.Now = c.now
	if config.Logins == nil {
		config.Logins = []string{"form"}
	}
	sessions, err := New(registry, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() })
	return sessions
}

// alice is somebody who signs in by the form.
func alice() Record {
	id := &authenticator.Identity{Authenticated: true, ID: "alice", Username: "alice", Roles: []string{"admin"}, Method: "basic"}
	return Record{Person: person.Person{Login: "form", Subject: "alice"}, Identity: id.Normalize()}
}

func visit(host string, cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest("GET", "https://"+host+"/", nil)
	for _, cookie := range cookies {
		r.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	}
	return r
}

// start signs somebody in and returns the cookie.
func (s site) start(t testing.TB, r *http.Request, record Record) *http.Cookie {
	t.Helper()
	recorder := httptest.NewRecorder()
	if _, err := s.Start(context.Background(), recorder, r, true, record); err != nil {
		t.Fatal(err)
	}
	cookies := recorder.Result().Cookies()
	if len(cookies) != 1 {
		t.Fatalf("cookies: %v", cookies)
	}
	return cookies[0]
}

// find looks a cookie up as the browser sends it to a host.
func (s site) find(host string, cookie *http.Cookie) (*Session, error) {
	return s.Find(context.Background(), visit(host), cookie.Value)
}
