package counterexample

import (
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
)

// options returns what is loaded for a configuration.
func options(t testing.TB, config policy.Config) bundle.Options {
	t.Helper()
	o, err := config.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	return o
}
