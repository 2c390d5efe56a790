package policy

import (
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
)

// TestResolve: the decision has to be a rule that can decide (T-60).
func TestResolve(t *testing.T) {
	const source = `package my.rules

ok := true

names contains "x"

f(x) := x

answer.allow := true

answer.reasons contains "late"
`
	d := policytest.NewDir(t)
	path := d.Write("rules.rego", source)
	d.Write("tree/a/data.json", `{"flag": true}`)
	d.Write("tree/rules.rego", source)
	tests := []struct {
		decision string
		wants    []string // of the error; none if it decides
	}{
		{"data.my.rules.ok", nil},
		{"data.my.rules.answer", nil},
		{"", []string{"no rule caddy.authz.allow", path, "packages there: my.rules", "rules in caddy.authz: none"}},
		{"data.my.rules.okay", []string{"no rule my.rules.okay", "rules in my.rules: answer.allow, answer.reasons, f, names, ok"}},
		{"data.my.rules", []string{"my.rules is a package and not a rule", "rules there: answer.allow, answer.reasons, f, names, ok"}},
		{"data.my", []string{"my is a package and not a rule"}},
		{"data.my.rules.names", []string{"rules.rego:5", "is a set"}},
		{"data.my.rules.f", []string{"rules.rego:7", "is a function"}},
	}
	for _, test := range tests {
		t.Run(test.decision, func(t *testing.T) {
			config := Config{Sources: []string{path}, Decision: test.decision}
			if test.wants != nil {
				refused(t, config, test.wants...)
				return
			}
			if got := open(t, config).Decide(t.Context(), asked("/", "")); !got.Allow && got.Err != nil {
				t.Errorf("got %+v", got)
			}
		})
	}
	refused(t, Config{Sources: []string{d.Path + "/tree"}, Decision: "data.a.flag"}, "no rule a.flag")
}

// TestResolveObject: an object may be put together from several rules.
func TestResolveObject(t *testing.T) {
	d := policytest.NewDir(t)
	path := d.Write("a.rego", `package caddy.authz

allow.allow := input.identity.authenticated

allow.deny contains "late" if input.request.path == "/late"

allow.headers["X-A"] := "b"
`)
	set := open(t, Config{Sources: []string{path}})
	if got := set.Decide(t.Context(), asked("/", "x")); !got.Allow || got.Headers.Get("X-A") != "b" {
		t.Errorf("got %+v", got)
	}
	if got := set.Decide(t.Context(), asked("/late", "x")); got.Allow || len(got.Codes) != 1 {
		t.Errorf("got %+v", got)
	}
}

// TestIgnoredTable: an access table that no rule asks is an error, since it
// would protect nothing.
func TestIgnoredTable(t *testing.T) {
	d := policytest.NewDir(t)
	table := d.Write("access.yaml", "rules: []\n")
	tests := []struct {
		name, source, decision string
		ignored                bool
	}{
		{"asked at once", "allow if data.caddy.access.allow", "", false},
		{"asked by way of another rule", "allow if mine\n\nmine if data.caddy.access.decision.allow", "", false},
		{"asked by way of a function", "allow if f(1)\n\nf(_) if data.caddy.access.allow", "", false},
		{"asked in an else", "allow if false\n\nelse if data.caddy.access.allow", "", false},
		{"asked with a name made at run time", "allow if data.caddy.access[input.config.which]", "", false},
		{"asked in the else of an else", "allow if false\n\nelse if input.request.path == \"/\"\n\nelse if mine\n\nmine if data.caddy.access.allow", "", false},
		{"asked behind not", "allow if not closed\n\nclosed if not data.caddy.access.allow", "", false},
		{"asked in a comprehension", "allow if count([1 | data.caddy.access.allow]) == 1", "", false},
		{"imported and asked", "import data.caddy.access\n\nallow if access.allow", "", false},
		{"the table's own decision", "allow := true", "data.caddy.access.decision", false},
		{"not asked", "allow := true", "", true},
		{"asked by a rule that does not decide", "allow := true\n\nother if data.caddy.access.allow", "", true},
		{"imported alone", "import data.caddy.access\n\nallow := true", "", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config := Config{
				Sources: []string{policytest.NewDir(t).Write("a.rego", "package caddy.authz\n\n"+test.source+"\n")},
				Access:  []string{table}, Decision: test.decision,
			}
			if test.ignored {
				refused(t, config, table, "would be ignored", "allow if data.caddy.access.allow")
				return
			}
			open(t, config)
		})
	}
	refused(t, Config{Access: []string{table}, Decision: "data.caddy.authenticated.allow"}, "would be ignored")
}
