package policy

import (
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decisioncache"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// signedInAt is the input for a request at a time by a caller who signed in at another, both
// in seconds since 1970.
func signedInAt(at, signedIn int64) Input {
	id := &authenticator.Identity{Authenticated: true, ID: "alice", Issuer: "https://id.example.com", Method: "jwt", AuthTime: signedIn}
	metadata := request.Metadata{ID: func() string { return "id" }, Time: time.Unix(at, 0)}
	return Input{Request: request.New(httptest.NewRequest("GET", "/", nil), metadata, new(request.Config)), Identity: id.Normalize(), Config: NewConstants(nil)}
}

const recentRule = "default: [{max_age: 15m}, {max_age: 1m, roles: [x]}]\n"

// TestCachedAge: what a policy decides by an access table is remembered until the age of
// the sign-in exceeds the next max_age of the table, and no longer.
func TestCachedAge(t *testing.T) {
	d := policytest.NewDir(t)
	set := open(t, Config{
		Sources: []string{d.Write("p/authz.rego", "package caddy.authz\n\nallow := data.caddy.access.decision\n")},
		Access:  []string{d.Write("access.yaml", recentRule)},
	})
	const signedIn = 1_800_000_000
	for _, step := range []struct {
		ago    int64
		allow  bool
		cached decisioncache.Outcome
	}{
		{0, true, decisioncache.Miss}, {5, true, decisioncache.Hit}, {60, true, decisioncache.Hit}, {61, true, decisioncache.Miss}, {900, true, decisioncache.Hit},
		{901, false, decisioncache.Miss}, {5000, false, decisioncache.Hit}, {-60, true, decisioncache.Hit}, {-61, false, decisioncache.Miss}, {900, true, decisioncache.Hit},
	} {
		got := set.Decide(t.Context(), signedInAt(signedIn+step.ago, signedIn))
		if got.Allow != step.allow || got.Cached != step.cached || got.Err != nil {
			t.Errorf("%d seconds after signing in: %v %q %v", step.ago, got.Allow, got.Cached, got.Err)
		}
		if !got.Allow && (got.Challenge == nil || got.Challenge.MaxAge != 900 || got.Login != nil) {
			t.Errorf("%d seconds after signing in: %+v", step.ago, got.Challenge)
		}
	}
	if got := set.Decide(t.Context(), signedInAt(signedIn+5, signedIn-900)); got.Allow || got.Cached != decisioncache.Miss {
		t.Errorf("another sign-in: %v %q", got.Allow, got.Cached)
	}
}

// TestClockUncacheable: a table's conditions on the time are no reason not to remember a
// decision, unless a policy makes them mean another time or another table. Without such
// conditions, the time is not read at all.
func TestClockUncacheable(t *testing.T) {
	const timeRead = "it reads input.request.time_ns"
	for name, test := range map[string]struct {
		rules, table string
		reads        bool
		want         []string
	}{
		"no max_age":                 {"allow if data.caddy.access.allow", "default: [{roles: [x]}]\n", false, nil},
		"max_age":                    {"allow if data.caddy.access.allow", recentRule, true, nil},
		"its own time":               {"allow if data.caddy.access.allow\n\nallow if input.request.time_ns == 1", recentRule, true, []string{timeRead}},
		"its own time, no max_age":   {"allow if data.caddy.access.allow\n\nallow if input.request.time_ns == 1", "default: [{roles: [x]}]\n", true, []string{timeRead}},
		"the time replaced":          {"allow if data.caddy.access.allow with input.request.time_ns as 1", recentRule, true, []string{timeRead}},
		"the sign-in replaced":       {"allow if data.caddy.access.allow with input.identity.auth_time as 1", recentRule, true, []string{timeRead}},
		"the input replaced, no age": {"allow if data.caddy.access.allow with input.request.method as \"GET\"", "default: [{roles: [x]}]\n", false, nil},
		"the table replaced, and no age": {"allow if data.caddy.access.allow with data.caddy.access_table as {\"max_ages\": [5], \"default\": [{\"max_age\": 5}]}",
			"default: [{roles: [x]}]\n", true, []string{timeRead}},
	} {
		t.Run(name, func(t *testing.T) {
			d := policytest.NewDir(t)
			set := open(t, Config{Sources: []string{d.Write("p/authz.rego", "package caddy.authz\n\n"+test.rules+"\n")}, Access: []string{d.Write("access.yaml", test.table)}})
			current := set.live.Load()
			if !slices.Equal(current.notCacheable, test.want) || current.reads["request.time_ns"] != test.reads || current.reads["identity.auth_time"] && !test.reads {
				t.Errorf("not cacheable %q, reads %v", current.notCacheable, current.reads.Names())
			}
		})
	}
}

// TestClockReload: a table that gets its first max_age is not judged by what was remembered
// of one without.
func TestClockReload(t *testing.T) {
	d := policytest.NewDir(t)
	config := Config{
		Sources: []string{d.Write("p/authz.rego", "package caddy.authz\n\nallow if data.caddy.access.allow\n")},
		Access:  []string{d.Write("access.yaml", "default: [{authenticated: true}]\n")},
	}
	set := open(t, config)
	const signedIn = 1_800_000_000
	if got := set.Decide(t.Context(), signedInAt(signedIn+5000, signedIn)); !got.Allow {
		t.Fatalf("%+v", got)
	}
	d.Write("access.yaml", recentRule)
	if err := set.Reload(); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[int64]bool{signedIn + 900: true, signedIn + 901: false} {
		if got := set.Decide(t.Context(), signedInAt(at, signedIn)); got.Allow != want || got.Cached != decisioncache.Miss {
			t.Errorf("%d: %v %q", at, got.Allow, got.Cached)
		}
	}
}
