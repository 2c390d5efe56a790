package policy

import (
	"encoding/json"
	"io/fs"
	"os"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"
	"go.yaml.in/yaml/v3"

	"github.com/policyauth/caddy-policy-auth/internal/accesstable"
	"github.com/policyauth/caddy-policy-auth/policies"
)

// accessSchemaProblems says what is wrong with a table by schemas/access.json,
// as an editor would.
func accessSchemaProblems(t *testing.T, content string) []any {
	t.Helper()
	schema, err := fs.ReadFile(policies.FS, "schemas/access.json")
	if err != nil {
		t.Fatal(err)
	}
	var table any
	if err := yaml.Unmarshal([]byte(content), &table); err != nil {
		t.Fatal(err)
	}
	document, err := json.Marshal(table)
	if err != nil {
		t.Fatal(err)
	}
	results, err := rego.New(
		rego.Query("json.match_schema(input.document, input.schema, [_, problems])"),
		rego.Input(map[string]any{"document": string(document), "schema": string(schema)}), rego.StrictBuiltinErrors(true),
	).Eval(t.Context())
	if err != nil || len(results) != 1 {
		t.Fatalf("%v %v", results, err)
	}
	problems, _ := results[0].Bindings["problems"].([]any)
	return problems
}

// TestAccessSchema: the loader and the schema for editors agree on what a table is.
func TestAccessSchema(t *testing.T) {
	quickstart, err := os.ReadFile("../../examples/quickstart/access.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, content string
		want          bool
	}{
		{"product.md's", decideTable, true},
		{"the quickstart's", string(quickstart), true},
		{"nobody", "rules: []", true},
		{"default only", "default: [{authenticated: true}]", true},
		{"blocked only", "blocked: {users: [a]}", true},
		{"empty lists of the blocked", "blocked: {users: [], networks: []}\nrules: []", true},
		{"every condition", `
networks: {lan: [10.0.0.0/8]}
default:
  - {anyone: true, methods: [GET, M-SEARCH], networks: [lan, 192.0.2.7, "::1"]}
  - {authenticated: true, users: [a], roles: [b], groups: [c], scopes: [d], kinds: [user, client], issuers: [https://id.example.com], acr: [phr], max_age: 1h30m}
  - {claims: {a.b: x, /c: [1, true]}}
  - {upgrades: [websocket, tcp, SPDY/3.1], roles: [a]}
  - {anyone: true, upgrades: [tcp]}
  - {tools: [greet, read_*, "*"], clients: [app, https://app.example.com/client.json]}
  - {anyone: true, tools: [greet]}
  - {links: true, methods: [GET], networks: [lan]}
  - {kinds: [guest]}
`, true},
		{"links: false", "rules: [{allow: [{links: false}]}]", false},
		{"a list of links", "rules: [{allow: [{links: [a]}]}]", false},
		{"links and anyone", "rules: [{allow: [{links: true, anyone: true}]}]", false},
		{"links and roles", "rules: [{allow: [{roles: [a], links: true}]}]", false},
		{"links and upgrades", "rules: [{allow: [{links: true, upgrades: [tcp]}]}]", false},
		{"a star within a tool", "rules: [{allow: [{tools: [read_*_all]}]}]", false},
		{"two stars in a tool", "rules: [{allow: [{tools: ['read_**']}]}]", false},
		{"no tool", "rules: [{allow: [{tools: []}]}]", false},
		{"a tool without a name", "rules: [{allow: [{tools: ['']}]}]", false},
		{"a tool that is a number", "rules: [{allow: [{tools: [1]}]}]", false},
		{"no client", "rules: [{allow: [{clients: []}]}]", false},
		{"anyone and clients", "rules: [{allow: [{anyone: true, clients: [app]}]}]", false},
		{"an upgrade that is a tunnel", "rules: [{allow: [{upgrades: [h2c]}]}]", false},
		{"another, with its version", "rules: [{allow: [{upgrades: [HTTP/2.0]}]}]", false},
		{"any upgrade", "rules: [{allow: [{upgrades: ['*']}]}]", false},
		{"selectors", "rules: [{hosts: [a.example, '*.a.example'], paths: [/, /*, /a, /a/, /a/*, /a/b/*], allow: []}]", true},
		{"an empty file", "", false},
		{"an empty mapping", "{}", false},
		{"a list", "[]", false},
		{"an unknown key", "ruls: []", false},
		{"an unknown condition", "rules: [{allow: [{role: [admin]}]}]", false},
		{"an unknown key of a rule", "rules: [{path: [/x], allow: []}]", false},
		{"an unknown key of the blocked", "blocked: {user: [a]}", false},
		{"an empty alternative", "rules: [{allow: [{}]}]", false},
		{"no allow", "rules: [{paths: [/x]}]", false},
		{"a null allow", "rules: [{allow: }]", false},
		{"a method as a selector", "rules: [{methods: [GET], allow: [{anyone: true}]}]", false},
		{"an empty list", "rules: [{allow: [{roles: []}]}]", false},
		{"a null condition", "rules: [{allow: [{roles: }]}]", false},
		{"a bare word", "rules: [{allow: [{roles: admin}]}]", false},
		{"an empty word", "rules: [{allow: [{roles: ['']}]}]", false},
		{"a number", "rules: [{allow: [{roles: [1]}]}]", false},
		{"anyone: false", "rules: [{allow: [{anyone: false}]}]", false},
		{"anyone and roles", "rules: [{allow: [{anyone: true, roles: [a]}]}]", false},
		{"an unknown kind", "rules: [{allow: [{kinds: [robot]}]}]", false},
		{"a method in lower case", "rules: [{allow: [{methods: [get]}]}]", false},
		{"a star as a method", "rules: [{allow: [{methods: ['*']}]}]", false},
		{"a class with a space", "rules: [{allow: [{acr: ['a b']}]}]", false},
		{"an age in days", "rules: [{allow: [{max_age: 7d}]}]", true},
		{"an age without a unit", "rules: [{allow: [{max_age: 900}]}]", false},
		{"no age", "rules: [{allow: [{max_age: 0s}]}]", false},
		{"an empty age", "rules: [{allow: [{max_age: ''}]}]", false},
		{"a fraction", "rules: [{allow: [{max_age: 1.5h}]}]", false},
		{"milliseconds", "rules: [{allow: [{max_age: 500ms}]}]", false},
		{"a list of ages", "rules: [{allow: [{max_age: [15m]}]}]", false},
		{"no paths", "rules: [{paths: [], allow: []}]", false},
		{"a path without a slash", "rules: [{paths: [x], allow: []}]", false},
		{"a star in a segment", "rules: [{paths: [/a*], allow: []}]", false},
		{"a star in the middle", "rules: [{paths: [/*/a], allow: []}]", false},
		{"a star as a host", "rules: [{hosts: ['*'], allow: []}]", false},
		{"a host with a path", "rules: [{hosts: [a.example/x], allow: []}]", false},
		{"an empty network", "networks: {lan: []}\nrules: []", false},
		{"no claim", "rules: [{allow: [{claims: {}}]}]", false},
		{"a claim without a value", "rules: [{allow: [{claims: {a: }}]}]", false},
		{"a claim with an empty list", "rules: [{allow: [{claims: {a: []}}]}]", false},
		{"a claim with an object", "rules: [{allow: [{claims: {a: {b: c}}}]}]", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, _, err := accesstable.Parse([]accesstable.File{{Name: "access.yaml", Data: []byte(test.content)}}); (err == nil) != test.want {
				t.Errorf("the loader says %v", err)
			}
			if problems := accessSchemaProblems(t, test.content); (len(problems) == 0) != test.want {
				t.Errorf("the schema says %v", problems)
			}
		})
	}
}
