package testrun

import (
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/files"
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

// load loads policies, with their tests if those are required.
func load(t testing.TB, config policy.Config) {
	t.Helper()
	if err := loadError(t, config); err != nil {
		t.Fatal(err)
	}
}

// loadError loads policies as a server does, which reads tests only if they are required.
func loadError(t testing.TB, config policy.Config) error {
	t.Helper()
	o := options(t, config)
	tree, err := files.Read(t.Context(), o.Files(false))
	if err == nil {
		_, err = bundle.NewLoader(o, Checker()).Load(tree)
	}
	return err
}

// refused checks that policies do not load, and what the error says.
func refused(t testing.TB, config policy.Config, wants ...string) {
	t.Helper()
	err := loadError(t, config)
	if err == nil {
		t.Fatal("they were loaded")
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
}
