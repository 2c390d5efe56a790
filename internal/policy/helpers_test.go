package policy

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open loads a set until the test ends.
func open(t testing.TB, config Config) *Engine {
	t.Helper()
	set, err := Open(config, testrun.Checker(), func(Report) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	})
	return set
}

// policyOf loads one policy.
func policyOf(t testing.TB, source string) *Engine {
	t.Helper()
	return open(t, Config{Sources: []string{policytest.NewDir(t).Write("authz.rego", source)}})
}

// asked returns the input for a request by a user with a role; "" is nobody.
func asked(target, role string) Input {
	r := httptest.NewRequest("GET", "/", nil)
	r.URL.RawPath, r.RequestURI = target, target
	r.URL.Path, _ = url.PathUnescape(target)
	facts := request.Metadata{ID: func() string { return "id" }, ClientIP: "192.0.2.1", PeerIP: "192.0.2.1"}
	in := Input{Request: request.New(r, facts, new(request.Config)), Identity: authenticator.Anonymous(), Config: NewConstants(nil)}
	if role != "" {
		in.Identity = (&authenticator.Identity{Authenticated: true, ID: "alice", Username: "alice", Roles: []string{role}}).Normalize()
	}
	return in
}

// eventually waits until a condition holds, at most ten seconds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for range 500 {
		if condition() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("it never came to pass that %s", what)
}

// refused checks that a configuration does not load, and what the error says.
func refused(t testing.TB, config Config, wants ...string) {
	t.Helper()
	set, err := Open(config, testrun.Checker(), func(Report) {})
	if err == nil {
		_ = set.Close()
		t.Fatal("it was loaded")
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
}
