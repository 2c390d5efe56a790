package counterexample

import (
	"maps"
	"slices"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// TestSure: what is said of built-in functions is said of such as exist, and no
// more of one that reads what strangers write.
func TestSure(t *testing.T) {
	for _, name := range slices.Concat(slices.Collect(maps.Keys(sure)), slices.Collect(maps.Keys(sureIf))) {
		if ast.BuiltinMap[name] == nil {
			t.Errorf("%s is no built-in function", name)
		}
	}
	for _, name := range []string{"time.parse_rfc3339_ns", "json.unmarshal", "io.jwt.decode", "net.cidr_contains", "http.send", "to_number", "units.parse", "base64.decode", "semver.compare"} {
		if sure[name] {
			t.Errorf("%s may well have no answer", name)
		}
	}
}

// TestBreakable: the calls that may fail are found wherever they stand in what
// the decision reaches, each once.
func TestBreakable(t *testing.T) {
	module, err := ast.ParseModule("a.rego", `package authz

allow if {
	regex.match("^/a", input.request.path)
	regex.match(input.pattern, input.request.path)
	count([n | some c in input.claims; n := to_number(c)]) > 0
} else if {
	every c in input.claims { json.unmarshal(c) }
} else if {
	not known(input.token)
}

known(t) if io.jwt.decode(t)

unreached if base64.decode(input.x)
`)
	if err != nil {
		t.Fatal(err)
	}
	compiler := ast.NewCompiler()
	if compiler.Compile(map[string]*ast.Module{"a.rego": module}); compiler.Failed() {
		t.Fatal(compiler.Errors)
	}
	var got []string
	for _, call := range breakable(reachable(compiler, ast.MustParseRef("data.authz.allow"))) {
		got = append(got, call.expr.Operator().String())
	}
	slices.Sort(got)
	if want := []string{"io.jwt.decode", "json.unmarshal", "regex.match", "to_number"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
