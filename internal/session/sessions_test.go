package session

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

const host = "app.example.com"

// TestStart: R-CK-1, R-CK-6. What a browser is given, and what the store has of it.
func TestStart(t *testing.T) {
	s := newSite(t, Config{})
	recorder := httptest.NewRecorder()
	started, err := s.Start(context.Background(), recorder, visit(host), true, alice())
	if err != nil {
		t.Fatal(err)
	}
	cookie := recorder.Result().Cookies()[0]
	if want := "__Host-policy_auth=" + cookie.Value + "; Path=/; HttpOnly; Secure; SameSite=Lax"; recorder.Header().Get("Set-Cookie") != want {
		t.Errorf("got  %s\nwant %s", recorder.Header().Get("Set-Cookie"), want)
	}
	if len(cookie.Value) != 43 {
		t.Errorf("an id of %d characters", len(cookie.Value))
	}
	keys, err := s.store.Owned(context.Background(), userOwner("alice"))
	if err != nil || len(keys) != 2 || keys[1].Key != "session.1/"+started.ID || strings.Contains(keys[1].Key, cookie.Value) {
		t.Errorf("keys %v, %v", keys, err)
	}
	id := started.Identity
	if id.Method != "session" || id.AuthTime != 0 || id.ExpiresAt != 1_800_000_000+12*3600 || id.ID != "alice" {
		t.Errorf("identity %+v", id)
	}
	found, err := s.find(host, cookie)
	if err != nil || found.ID != started.ID {
		t.Errorf("found %v, %v", found, err)
	}
}

// TestFixation: R-CK-7, T-38. Signing in gives a new id, and the old one is dead.
func TestFixation(t *testing.T) {
	s := newSite(t, Config{})
	before := s.start(t, visit(host), alice())
	after := s.start(t, visit(host, before), alice())
	if before.Value == after.Value {
		t.Error("the id is the same")
	}
	if _, err := s.find(host, before); !errors.Is(err, ErrEnded) {
		t.Errorf("the old one: %v", err)
	}
	chosen := &http.Cookie{Name: before.Name, Value: strings.Repeat("A", 43)}
	if got := s.start(t, visit(host, chosen), alice()); got.Value == chosen.Value {
		t.Error("somebody else chose the id")
	}
}

// TestLimits: R-SES-1, R-SES-2, R-SES-3, at their boundaries.
func TestLimits(t *testing.T) {
	const step = time.Nanosecond
	tests := []struct {
		name string
		use  []time.Duration // touched after each
		wait time.Duration
		want error
	}{
		{"just in time", nil, 30*time.Minute - step, nil},
		{"idle", nil, 30 * time.Minute, ErrExpired},
		{"use extends", []time.Duration{20 * time.Minute, 20 * time.Minute}, 20 * time.Minute, nil},
		{"use is not for ever", []time.Duration{20 * time.Minute, 20 * time.Minute}, 30 * time.Minute, ErrExpired},
		{"at the end of its life", every(25*time.Minute, 28), 20*time.Minute - step, nil},
		{"past it, however busy", every(25*time.Minute, 28), 20 * time.Minute, ErrExpired},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, Config{})
			cookie := s.start(t, visit(host), alice())
			for _, d := range test.use {
				s.clock.advance(d)
				found, err := s.find(host, cookie)
				if err != nil {
					t.Fatal(err)
				}
				s.Touch(found)
			}
			s.clock.advance(test.wait)
			if _, err := s.find(host, cookie); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func every(d time.Duration, times int) []time.Duration {
	all := make([]time.Duration, times)
	for i := range all {
		all[i] = d
	}
	return all
}

// TestElsewhere: T-71. A session is worth nothing on another host, or where its
// login is not offered, and hosts of one cookie_domain share it.
func TestElsewhere(t *testing.T) {
	own := newSite(t, Config{})
	cookie := own.start(t, visit(host), alice())
	other := site{in(t, own.registry, own.clock, Config{Logins: []string{"oidc staff"}}), own.clock, own.store}
	shared := site{in(t, own.registry, own.clock, Config{Cookie: Cookie{Domain: "example.com"}}), own.clock, own.store}
	wide := shared.start(t, visit(host), alice())
	tests := []struct {
		name   string
		site   site
		host   string
		cookie *http.Cookie
		want   error
	}{
		{"its own host", own, host, cookie, nil},
		{"its own host, another port", own, host + ":8443", cookie, nil},
		{"its own host, in capitals and with a dot", own, "APP.example.com.", cookie, nil},
		{"another host", own, "evil.example.com", cookie, ErrOtherSite},
		{"a login that is not offered", other, host, cookie, ErrOtherSite},
		{"a host's session in its domain", shared, host, cookie, ErrOtherSite},
		{"a domain's session", shared, "wiki.example.com", wide, nil},
		{"a domain's session on a host", own, host, wide, ErrOtherSite},
	}
	for _, test := range tests {
		if _, err := test.site.find(test.host, test.cookie); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
	if _, err := shared.Start(context.Background(), httptest.NewRecorder(), visit("other.example"), true, alice()); err == nil {
		t.Error("a session was begun on a host outside its domain")
	}
}

// TestNoSession: what is no id is no session, and neither is a changed byte.
func TestNoSession(t *testing.T) {
	s := newSite(t, Config{})
	value := s.start(t, visit(host), alice()).Value
	for _, bad := range []string{"", "x", value[1:], value + "A", strings.ToLower(value), "=" + value[1:], strings.Repeat("\xff", 43)} {
		if _, err := s.Find(context.Background(), visit(host), bad); !errors.Is(err, ErrEnded) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestUnavailable: R-401-6. A store that cannot tell is not a dead session.
func TestUnavailable(t *testing.T) {
	s := newSite(t, Config{})
	cookie := s.start(t, visit(host), alice())
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := s.find(host, cookie)
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, ErrEnded) {
		t.Errorf("got %v", err)
	}
	recorder := httptest.NewRecorder()
	if _, err := s.Start(context.Background(), recorder, visit(host), true, alice()); err == nil || len(recorder.Result().Cookies()) > 0 {
		t.Errorf("begun: %v, %v", err, recorder.Header())
	}
}

// TestTwoMachines: R-SES-5. What one instance does, another sees: uses that keep
// a session alive, and its end.
func TestTwoMachines(t *testing.T) {
	one := newSite(t, Config{})
	two := site{in(t, NewRegistry(one.store, sealer()), one.clock, Config{}), one.clock, one.store}
	cookie := one.start(t, visit(host), alice())
	if _, err := two.find(host, cookie); err != nil {
		t.Fatal(err)
	}
	one.clock.advance(29 * time.Minute)
	found, err := one.find(host, cookie)
	if err != nil {
		t.Fatal(err)
	}
	one.Touch(found)
	one.registry.saves.Wait()
	one.clock.advance(29 * time.Minute)
	if _, err := two.find(host, cookie); err != nil {
		t.Errorf("used on one, refused on two: %v", err)
	}
	recorder := httptest.NewRecorder()
	if err := one.End(context.Background(), recorder, true, found); err != nil {
		t.Fatal(err)
	}
	if got := recorder.Header().Get("Set-Cookie"); got != "__Host-policy_auth=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax" {
		t.Errorf("cleared by %s", got)
	}
	for _, s := range []site{one, two} {
		s.Touch(found) // a late one brings nothing back
		s.registry.saves.Wait()
		if _, err := s.find(host, cookie); !errors.Is(err, ErrEnded) {
			t.Errorf("ended, found: %v", err)
		}
	}
}

// TestTouches: an ordinary request does not write.
func TestTouches(t *testing.T) {
	s := newSite(t, Config{})
	found, _ := s.find(host, s.start(t, visit(host), alice()))
	saved := func() string {
		s.registry.saves.Wait()
		value, err := s.registry.Store().Get(context.Background(), usedPrefix+found.ID)
		if err != nil {
			t.Fatal(err)
		}
		return string(value)
	}
	s.clock.advance(29 * time.Second)
	s.Touch(found)
	if got := saved(); got != "1800000000000000000" || found.LastUsed() != s.clock.now() {
		t.Errorf("saved %q, used %s", got, found.LastUsed())
	}
	s.clock.advance(time.Second)
	s.Touch(found)
	if got := saved(); got != "1800000030000000000" {
		t.Errorf("saved %q", got)
	}
}

// TestHold: an open stream counts as activity.
func TestHold(t *testing.T) {
	s := newSite(t, Config{})
	cookie := s.start(t, visit(host), alice())
	found, _ := s.find(host, cookie)
	release := s.KeepAlive(found)
	s.clock.advance(29 * time.Minute)
	s.touchKeepAlives() // what the timer does
	s.clock.advance(29 * time.Minute)
	if _, err := s.find(host, cookie); err != nil {
		t.Error(err)
	}
	release()
	release()
	s.clock.advance(30 * time.Minute)
	if _, err := s.find(host, cookie); !errors.Is(err, ErrExpired) {
		t.Errorf("after the stream: %v", err)
	}
}

// TestRefresh: a login may renew what it knows, but not bring back what was ended.
func TestRefresh(t *testing.T) {
	s := newSite(t, Config{})
	cookie := s.start(t, visit(host), alice())
	found, _ := s.find(host, cookie)
	promoted := *found.Identity
	promoted.Roles, promoted.Claims = []string{"owner"}, map[string]any{"level": json.Number("12345678901234567890")}
	if err := s.Refresh(context.Background(), found, &promoted, []byte("newer")); err != nil {
		t.Fatal(err)
	}
	again, err := s.find(host, cookie)
	if err != nil || again.Identity.Roles[0] != "owner" || string(again.Data) != "newer" || again.Identity.Claims["level"] != promoted.Claims["level"] {
		t.Errorf("%+v, %v", again, err)
	}
	if err := s.registry.End(context.Background(), found.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Refresh(context.Background(), again, &promoted, nil); !errors.Is(err, ErrEnded) {
		t.Errorf("got %v", err)
	}
	if _, err := s.find(host, cookie); !errors.Is(err, ErrEnded) {
		t.Errorf("brought back: %v", err)
	}
}

// TestAs: what is made of somebody else's identity is made once.
func TestAs(t *testing.T) {
	s, made := new(Session), 0
	build := func(from *authenticator.Identity) *authenticator.Identity { made++; return from }
	first, second := new(authenticator.Identity), new(authenticator.Identity)
	for _, from := range []*authenticator.Identity{first, first, second, second, first} {
		if s.DeriveIdentity(from, build) != from {
			t.Error("somebody else's")
		}
	}
	if made != 3 {
		t.Errorf("made %d times", made)
	}
}

// TestPlain: R-CK-2. Over plain HTTP no session begins but on the browser's own
// machine, or where the site says insecure_http.
func TestPlain(t *testing.T) {
	closed, open := newSite(t, Config{}), newSite(t, Config{InsecureHTTP: true})
	tests := []struct {
		site site
		host string
		want error
	}{
		{closed, host, ErrInsecure}, {closed, "192.168.1.2:8080", ErrInsecure}, {closed, "localhost.example.com", ErrInsecure},
		{closed, "localhost:8080", nil}, {closed, "app.localhost", nil}, {closed, "127.0.0.1:8080", nil}, {closed, "[::1]:8080", nil},
		{open, host, nil},
	}
	for _, test := range tests {
		recorder := httptest.NewRecorder()
		_, err := test.site.Start(context.Background(), recorder, visit(test.host), false, alice())
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v", test.host, err)
		}
		if got := recorder.Header().Get("Set-Cookie"); err == nil && (!strings.HasPrefix(got, "policy_auth=") || !strings.HasSuffix(got, "; Path=/; HttpOnly; SameSite=Lax")) || err != nil && got != "" {
			t.Errorf("%s: %s", test.host, got)
		}
	}
}

// TestConfigErrors: what contradicts itself is refused.
func TestConfigErrors(t *testing.T) {
	for _, config := range []Config{{Idle: -1}, {Lifetime: -1}, {Idle: time.Hour, Lifetime: time.Minute}, {Cookie: Cookie{Name: "x"}}} {
		if _, err := New(NewRegistry(store.NewMemory(nil), sealer()), config); err == nil {
			t.Errorf("%+v is taken", config)
		}
	}
}

// BenchmarkFind: a session lookup that hits, from the cookie's value on.
func BenchmarkFind(b *testing.B) {
	s := newSite(b, Config{})
	cookie, r, ctx := s.start(b, visit(host), alice()), visit(host), context.Background()
	b.ReportAllocs()
	for b.Loop() {
		found, err := s.Find(ctx, r, cookie.Value)
		if err != nil {
			b.Fatal(err)
		}
		s.Touch(found)
	}
}

// TestFindAllocations: performance.md, by allocations alone.
func TestFindAllocations(t *testing.T) {
	s := newSite(t, Config{})
	cookie, r, ctx := s.start(t, visit(host), alice()), visit(host), context.Background()
	got := testing.AllocsPerRun(1000, func() {
		if found, err := s.Find(ctx, r, cookie.Value); err == nil {
			s.Touch(found)
		}
	})
	if got != 0 {
		t.Errorf("%v allocations", got)
	}
}
