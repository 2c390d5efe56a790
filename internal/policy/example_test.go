package policy_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// A set is opened once and asked for each request.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "policies")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "authz.rego")
	source := "package caddy.authz\n\nallow if \"editor\" in input.identity.roles\n"
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	set, err := policy.Open(policy.Config{Sources: []string{dir}}, bundle.Checker{}, func(r policy.Report) { fmt.Println(r.Err) })
	if err != nil {
		fmt.Println(err)
		return
	}
	defer set.Close()

	facts := request.Metadata{ID: func() string { return "1" }, ClientIP: "192.0.2.1", PeerIP: "192.0.2.1"}
	in := policy.Input{
		Request:  request.New(httptest.NewRequest("GET", "/", nil), facts, new(request.Config)),
		Identity: (&authenticator.Identity{Authenticated: true, ID: "alice", Roles: []string{"editor"}}).Normalize(),
		Config:   policy.NewConstants(nil),
	}
	fmt.Println(set.Decide(context.Background(), in).Allow)
	in.Identity = authenticator.Anonymous()
	decision := set.Decide(context.Background(), in)
	fmt.Println(decision.Allow, decision.Reason)
	// Output:
	// true
	// false policy_undefined
}
