package lint_test

import (
	"encoding/json"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/policycheck/lint"
)

// FuzzRun: no policy that compiles makes the lints panic, and each finding says
// where it is (T-66).
func FuzzRun(f *testing.F) {
	for _, body := range []string{
		`allow if object.get(input, ["identity", "roles", 0], null) == data.p.x[_]`,
		"allow if f(input, \"a\")\n\nf({\"identity\": {\"roles\": [r, _]}}, x) := y if { y := r == x } else := z if z := x",
		"allow if every k, v in input.request.query { k != v[0] }",
		"allow if { [a, {\"b\": b}] = [input.tls, input.client]; a.version > b.ip }",
		"allow if not q with input as object.union(q, {\"identity\": 1}) with input.request as []\n\nq[x].y contains {z: x} if some x, z in input",
		"allow if { x = y; y = x; x = input.identity; {1 | x[y]} in [n | n := count(x)] }",
		"allow := {\"a\": [v | some v in input.request.segments], input.request.id: $\"{input.request.host}\"}",
	} {
		f.Add("package p\n\n" + body + "\n")
	}
	shape := input(f)
	f.Fuzz(func(t *testing.T, text string) {
		module, err := ast.ParseModule("p.rego", text)
		if err != nil || module == nil {
			return
		}
		compiler := ast.NewCompiler()
		if compiler.Compile(map[string]*ast.Module{"p.rego": module}); compiler.Failed() {
			return
		}
		for _, finding := range lint.Run(lint.Config{Compiler: compiler, Files: map[string]bool{"p.rego": true}, Input: shape, Data: shape}) {
			if finding.Location.File != "p.rego" || finding.Location.Row < 1 || finding.Message == "" || finding.Code == "" {
				t.Errorf("%+v", finding)
			}
		}
	})
}

// FuzzParse: no schema makes the parser panic or run for ever, and what it
// reads is a schema again (T-66).
func FuzzParse(f *testing.F) {
	for _, schema := range []string{
		`{"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}, "c": {"items": {"$ref": "#"}}}}`,
		`{"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}}`,
		`{"properties": {"a": {"items": {"enum": ["x", 1]}}}, "additionalProperties": {"$ref": "#"}}`,
		`{"allOf": [{"type": "string"}], "propertyNames": {"pattern": "^[^A-Z]*$"}, "type": ["null", "array"]}`,
		`{"$ref": "#/a~1b/~0"}`, `[]`, `{"type": 1, "const": "x", "examples": {}}`,
	} {
		f.Add([]byte(schema))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var schema any
		if json.Unmarshal(content, &schema) != nil {
			return
		}
		shape, err := lint.Parse(schema, "x")
		if err != nil {
			return
		}
		if _, err := lint.Parse(shape.Schema(), "x"); err != nil {
			t.Errorf("%s: %v", content, err)
		}
	})
}
