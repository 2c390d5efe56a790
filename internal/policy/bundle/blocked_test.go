package bundle

import (
	"slices"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
)

// TestWarnBlocked: a definition of the decision that does not read the access table allows
// callers that the table blocks, which is a warning.
func TestWarnBlocked(t *testing.T) {
	const blocked = "blocked: {users: [mallory]}\nrules: []\n"
	asks := "allow if data.caddy.access.allow\n\n"
	for _, test := range []struct {
		name, body, table string
		want              []string // file:line
	}{
		{"no other definition", asks, blocked, nil},
		{"another one", asks + "allow if input.identity.id == \"bob\"", blocked, []string{"a.rego:5"}},
		{"blocked networks", asks + "allow if input.identity.id == \"bob\"", "blocked: {networks: [10.0.0.0/8]}\n", []string{"a.rego:5"}},
		{"a default that allows", asks + "default allow := true", blocked, []string{"a.rego:5"}},
		{"nothing is blocked", asks + "allow if input.identity.id == \"bob\"", "rules: []\n", nil},
		{"it asks for blocked", asks + "allow if {\n\tnot data.caddy.access.blocked\n\tinput.identity.id == \"bob\"\n}", blocked, nil},
		{"it asks through a rule", asks + "allow if {\n\tgood\n\tinput.identity.id == \"bob\"\n}\n\ngood if not data.caddy.access.blocked", blocked, nil},
		{"a denial", asks + "default allow := false", blocked, nil},
		{"after else", "allow := false if data.caddy.access.blocked\n\nelse if input.identity.id == \"bob\"", blocked, nil},
		{"before else", "allow if input.identity.id == \"bob\"\n\nelse if data.caddy.access.allow", blocked, []string{"a.rego:3"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := policytest.NewDir(t)
			options := Options{
				Sources: []string{d.Write("a.rego", "package caddy.authz\n\n"+test.body+"\n")}, Access: []string{d.Write("access.yaml", test.table)},
				Decision: "data.caddy.authz.allow",
			}
			b, err := Read(t.Context(), options, Checker{})
			if err != nil {
				t.Fatal(err)
			}
			matches := func(warning, want string) bool {
				return strings.Contains(warning, want+": this definition of allow does not read data.caddy.access")
			}
			if !slices.EqualFunc(b.Warnings, test.want, matches) {
				t.Errorf("%q, want %q", b.Warnings, test.want)
			}
		})
	}
}
