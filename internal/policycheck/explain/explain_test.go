package explain

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// policiesOf compiles modules by file name; the decision is data.caddy.authz.allow
// unless a rule "decision" is there.
func policiesOf(t testing.TB, data map[string]any, modules map[string]string) Policies {
	t.Helper()
	parsed := map[string]*ast.Module{}
	for name, source := range modules {
		module, err := ast.ParseModuleWithOpts(name, source, ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Fatal(err)
		}
		parsed[name] = module
	}
	compiler := ast.NewCompiler()
	if compiler.Compile(parsed); compiler.Failed() {
		t.Fatal(compiler.Errors)
	}
	store := inmem.NewFromObject(data)
	p := Policies{Compiler: compiler, Data: ast.NewTerm(ast.MustInterfaceToValue(data))}
	decision := ast.MustParseTerm("data.caddy.authz.allow")
	if other := ast.MustParseTerm("data.caddy.authz.decision"); len(compiler.GetRulesExact(other.Value.(ast.Ref))) > 0 {
		decision = other
	}
	prepared := map[string]rego.PreparedEvalQuery{} // those of one text are the same
	p.Prepare = func(ctx context.Context, query ast.Body) (rego.PreparedEvalQuery, error) {
		text := query.String()
		if known, ok := prepared[text]; ok {
			return known, nil
		}
		made, err := rego.New(rego.Compiler(compiler), rego.Store(store), rego.ParsedQuery(query), rego.StrictBuiltinErrors(true)).PrepareForEval(ctx)
		if err == nil {
			prepared[text] = made
		}
		return made, err
	}
	var err error
	if p.Query, err = p.Prepare(context.Background(), ast.NewBody(ast.NewExpr(decision))); err != nil {
		t.Fatal(err)
	}
	return p
}

// explained explains a decision that did not allow.
func explained(t testing.TB, p Policies, input string) Evaluation {
	t.Helper()
	return Run(context.Background(), p, ast.MustParseTerm(input).Value, false)
}

// sketch writes what stands in the way on one line.
func sketch(n *Nearest) string {
	if n == nil {
		return "nothing"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s missing %d", n.At, n.Missing)
	for _, c := range append(n.Through, n.Condition) {
		fmt.Fprintf(&b, " | %s %s", c.At, strings.Join(strings.Fields(c.Text), " "))
	}
	for _, v := range n.Condition.Values {
		fmt.Fprintf(&b, " | %s = %s", v.Name, v.Value)
	}
	for _, r := range n.Because {
		fmt.Fprintf(&b, " | because %s %s", r.Name, r.At)
	}
	return b.String()
}

const bob = `{"request": {"method": "POST", "path": "/docs/1", "segments": ["docs", "1"], "host": "h", "headers": {}}, "identity": {"id": "bob", "kind": "user", "roles": ["reader", "staff"], "claims": {"team": "red"}}}`

// TestNearest: the rule that came nearest, down to the condition that failed.
func TestNearest(t *testing.T) {
	tests := []struct{ name, rules, want string }{
		{
			"one condition", "allow if \"admin\" in input.identity.roles",
			`p.rego:3 missing 1 | p.rego:3 "admin" in input.identity.roles | input.identity.roles = ["reader","staff"]`,
		},
		{
			"the one with the fewest missing", `allow if {
	input.identity.id == "alice"
	input.request.method == "GET"
}
allow if {
	input.request.method == "PUT"
	input.request.host == "h"
	"reader" in input.identity.roles
}`,
			`p.rego:7 missing 1 | p.rego:8 input.request.method == "PUT" | input.request.method = "POST"`,
		},
		{
			"the one with the most that hold", `allow if "admin" in input.identity.roles
allow if {
	input.request.method == "POST"
	"writer" in input.identity.roles
}`,
			`p.rego:4 missing 1 | p.rego:6 "writer" in input.identity.roles | input.identity.roles = ["reader","staff"]`,
		},
		{
			"N-60 a reference into a rule", `allow if subordinates[input.identity.id].carol
subordinates := {"bob": {"betty": true}, "alice": {"carol": true}}`,
			`p.rego:3 missing 1 | p.rego:3 subordinates[input.identity.id].carol | caddy.authz.subordinates.bob.carol = undefined | input.identity.id = "bob" | because caddy.authz.subordinates p.rego:4`,
		},
		{
			"N-60 a reference to a part of a rule", `allow if count(subordinates.bob) > 1
subordinates := {"bob": {"betty": true}, "alice": {"x": true}}`,
			`p.rego:3 missing 1 | p.rego:3 count(subordinates.bob) > 1 | count(subordinates.bob) = 1 | because caddy.authz.subordinates p.rego:4`,
		},
		{
			"N-60 or", "import future.keywords.or\nallow if input.identity.id == \"alice\" or input.request.method == \"GET\"",
			`p.rego:4 missing 1 | p.rego:4 input.identity.id == "alice" or input.request.method == "GET" | input.identity.id = "bob" | input.request.method = "POST"`,
		},
		{
			"N-60 and", "import future.keywords.and\nallow if input.identity.id == \"bob\" and input.request.method == \"GET\"",
			`p.rego:4 missing 1 | p.rego:4 input.identity.id == "bob" and input.request.method == "GET" | input.identity.id = "bob" | input.request.method = "POST"`,
		},
		{
			"something undefined", "allow if input.identity.claims.tenant == \"a\"",
			`p.rego:3 missing 1 | p.rego:3 input.identity.claims.tenant == "a" | input.identity.claims.tenant = undefined`,
		},
		{
			"through a rule", `allow if is_admin
is_admin if {
	input.identity.kind == "user"
	input.identity.id == "alice"
}`,
			`p.rego:3 missing 1 | p.rego:3 is_admin | p.rego:6 input.identity.id == "alice" | input.identity.id = "bob"`,
		},
		{
			"through a function", `allow if has_role("admin")
has_role(role) if role in input.identity.roles`,
			`p.rego:3 missing 1 | p.rego:3 has_role("admin") | p.rego:4 role in input.identity.roles | role = "admin" | input.identity.roles = ["reader","staff"]`,
		},
		{
			"a function of an object", `allow if ok(input.identity)
ok(id) if id.kind == "client"`,
			`p.rego:3 missing 1 | p.rego:3 ok(input.identity) | p.rego:4 id.kind == "client" | id.kind = "user"`,
		},
		{
			"a default below", `allow if is_admin
default is_admin := false
is_admin if input.identity.id == "alice"`,
			`p.rego:3 missing 1 | p.rego:3 is_admin | p.rego:5 input.identity.id == "alice" | input.identity.id = "bob"`,
		},
		{
			"a negation", `allow if {
	input.identity.kind == "user"
	not blocked
}
blocked if input.identity.id == "bob"`,
			`p.rego:3 missing 1 | p.rego:5 not blocked | caddy.authz.blocked = true | because caddy.authz.blocked p.rego:7`,
		},
		{
			"a negation by itself", `allow if not input.identity.id == "bob"`,
			`p.rego:3 missing 1 | p.rego:3 not input.identity.id == "bob" | input.identity.id = "bob"`,
		},
		{
			"a list", `allow if {
	some role in input.identity.roles
	role in {"admin", "owner"}
}`,
			`p.rego:3 missing 1 | p.rego:5 role in {"admin", "owner"} | role = "reader" | role = "staff"`,
		},
		{
			"every", `allow if {
	every role in input.identity.roles {
		startswith(role, "r")
	}
}`,
			`p.rego:3 missing 1 | p.rego:4 every role in input.identity.roles { startswith(role, "r") } | input.identity.roles = ["reader","staff"] | role = "staff"`,
		},
		{
			"data", `allow if data.roles[input.identity.id].admin`,
			`p.rego:3 missing 1 | p.rego:3 data.roles[input.identity.id].admin | data.roles.bob.admin = undefined | input.identity.id = "bob"`,
		},
		{
			"over lines", `allow if {
	startswith(
		input.request.path,
		concat("/", ["", input.identity.id]), # comment
	)
}`,
			`p.rego:3 missing 1 | p.rego:4 startswith( input.request.path, concat("/", ["", input.identity.id]), # comment ) | input.request.path = "/docs/1" | concat("/", ["", input.identity.id]) = "/bob"`,
		},
		{
			"deny rules counted", `allow if count(deny) == 0
deny contains "staff" if "staff" in input.identity.roles
deny contains "x" if input.request.path == "/x"`,
			`p.rego:3 missing 1 | p.rego:3 count(deny) == 0 | count(deny) = 1 | because caddy.authz.deny p.rego:4`,
		},
		{
			"another value", `allow if level == "high"
level := "high" if input.identity.id == "alice"
else := "low"`,
			`p.rego:3 missing 1 | p.rego:3 level == "high" | caddy.authz.level = "low" | because caddy.authz.level p.rego:5`,
		},
		{
			"an object's allow", `decision := {"allow": allow, "reasons": ["x"]}
default allow := false
allow if input.identity.id == "alice"`,
			`p.rego:3 missing 1 | p.rego:3 allow | p.rego:5 input.identity.id == "alice" | input.identity.id = "bob"`,
		},
		{
			"an object's deny", `decision := {"allow": true, "deny": deny}
deny contains "late" if input.identity.id == "bob"`,
			`p.rego:3 missing 0 | p.rego:3 deny | because caddy.authz.deny p.rego:4`,
		},
		{
			"an else", `decision := {"allow": true} if {
	allow
} else := {"allow": false, "reasons": ["no"]}
allow if input.identity.id == "alice"`,
			`p.rego:3 missing 1 | p.rego:4 allow | p.rego:6 input.identity.id == "alice" | input.identity.id = "bob"`,
		},
		{
			"an outright no", `allow := false`, `p.rego:3 missing 0 | p.rego:3 allow := false | because caddy.authz.allow p.rego:3`,
		},
		{
			"asked before", `allow if {
	is_admin
	input.request.path == "/"
}
allow if {
	input.request.method == "POST"
	is_admin
}
is_admin if input.identity.id == "alice"`,
			`p.rego:7 missing 1 | p.rego:9 is_admin | p.rego:11 input.identity.id == "alice" | input.identity.id = "bob"`,
		},
		{
			"another input", `allow if is_alice with input.identity.id as "carol"
is_alice if input.identity.id == "alice"`,
			`p.rego:3 missing 1 | p.rego:3 is_alice with input.identity.id as "carol" | p.rego:4 input.identity.id == "alice" | input.identity.id = "carol"`,
		},
		{
			"an error", `allow if {
	input.identity.kind == "user"
	to_number(input.identity.id) > 1
}`,
			`p.rego:3 missing 1 | p.rego:5 to_number(input.identity.id) > 1 | input.identity.id = "bob"`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := policiesOf(t, map[string]any{"roles": map[string]any{"alice": map[string]any{"admin": true}}}, map[string]string{"p.rego": "package caddy.authz\n\n" + test.rules + "\n"})
			result := explained(t, p, bob)
			if got := sketch(result.Nearest); got != test.want {
				t.Errorf("\ngot  %s\nwant %s", got, test.want)
			}
			if text, err := json.MarshalIndent(result, "", " "); err != nil {
				t.Error(err)
			} else if testing.Verbose() {
				t.Logf("%s", text)
			}
		})
	}
}
