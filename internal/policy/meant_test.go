package policy

import (
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
)

// TestN59Meant: a load error says what is meant and the fix, where a file is of
// another kind or written for another program.
func TestN59Meant(t *testing.T) {
	const table = "default: []\nrules:\n  - paths: [/public/*]\n    allow: [{anyone: true}]\n"
	const v0 = "package caddy.authz\n\ndefault allow = false\n\nallow {\n\tinput.request.method == \"GET\"\n}\n"
	d := policytest.NewDir(t)
	envoy := d.Write("envoy/authz.rego", "package envoy.authz\n\ndefault allow := false\n\nallow if input.attributes.request.http.method == \"GET\"\n")
	refused(t, Config{Sources: []string{envoy}}, "no rule caddy.authz.allow", "there is envoy.authz.allow, which is opa-envoy-plugin's: write opa_envoy in the policies block")
	open(t, Config{Sources: []string{envoy}, OPAEnvoy: true})
	access := d.Write("access.yaml", table)
	refused(t, Config{Sources: []string{access}}, "access.yaml is read as data, but it looks like an access table: write access "+access)
	rego := d.Write("p/authz.rego", "package caddy.authz\n\nallow if input.identity.authenticated\n")
	refused(t, Config{Access: []string{rego}}, "authz.rego: this file is Rego, not an access table: write policies "+rego)
	refused(t, Config{Access: []string{d.Write("renamed.yaml", "# METADATA\npackage caddy.authz\n\nallow := true\n")}}, "renamed.yaml: this file is Rego, not an access table")
	old := d.Write("old/authz.rego", v0)
	refused(t, Config{Sources: []string{old}}, "authz.rego:5: rego_parse_error: `if` keyword is required before rule body",
		"authz.rego is written in Rego v0, and only Rego v1 is read: convert it with \"opa fmt --write --v0-v1 "+old+"\"")
	refused(t, Config{Sources: []string{d.Write("wrong/authz.rego", "package caddy.authz\n\nallow if {\n")}}, "authz.rego:4")

	d.Write("both/authz.rego", "package caddy.authz\n\nallow if input.identity.authenticated\n")
	d.Write("both/access.yaml", table)
	for _, sources := range [][]string{{d.Path + "/both"}, {d.Path + "/both/authz.rego", access}} {
		warned := false
		for _, warning := range open(t, Config{Sources: sources}).live.Load().warnings {
			warned = warned || strings.Contains(warning, "it looks like an access table: write access ")
		}
		if !warned {
			t.Errorf("N-59 no warning about a table beside policies: %v", sources)
		}
	}
	open(t, Config{Access: []string{d.Write("allowed.yaml", table)}})
}

// TestN64Signed: a directory that is signed is not taken unverified.
func TestN64Signed(t *testing.T) {
	d := policytest.NewDir(t)
	d.Write("p/authz.rego", "package caddy.authz\n\nallow if input.identity.authenticated\n")
	d.Write("p/inner/.signatures.json", "{}") // as OPA, only at the root
	open(t, Config{Sources: []string{d.Path + "/p"}})
	d.Write("p/.signatures.json", `{"signatures": ["x.y.z"]}`)
	refused(t, Config{Sources: []string{d.Path + "/p"}}, ".signatures.json: verification key not provided")
}
