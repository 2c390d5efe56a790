package explain

import (
	"net/http/httptest"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// open loads policies until the test ends.
func open(t testing.TB, config policy.Config) *policy.Engine {
	t.Helper()
	engine, err := policy.Open(config, testrun.Checker(), func(policy.Report) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine
}

// policyOf loads one policy.
func policyOf(t testing.TB, source string) *policy.Engine {
	t.Helper()
	return open(t, policy.Config{Sources: []string{policytest.NewDir(t).Write("authz.rego", source)}})
}

// anonymousInput returns the input for a request without a credential.
func anonymousInput(target string) policy.Input {
	r := httptest.NewRequest("GET", target, nil)
	facts := request.Metadata{ID: func() string { return "id" }, ClientIP: "192.0.2.1", PeerIP: "192.0.2.1"}
	return policy.Input{Request: request.New(r, facts, new(request.Config)), Identity: authenticator.Anonymous(), Config: policy.NewConstants(nil)}
}
