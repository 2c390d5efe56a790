package policy

import (
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
)

const claimsSchema = `{
	"type": "object",
	"properties": {
		"team": {"type": "string", "enum": ["red", "blue"]},
		"level": {"type": ["integer", "string"]},
		"realm_access": {"$ref": "#/definitions/access"},
		"extra": {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": true}
	},
	"definitions": {"access": {"type": "object", "properties": {"roles": {"type": "array", "items": {"type": "string"}}}}}
}`

// TestClaimsSchema: a schema closes the claims (T-03).
func TestClaimsSchema(t *testing.T) {
	tests := []struct {
		name, body string
		want       string // of the error; "" if it loads
	}{
		{"what it has", `input.identity.claims.team == "red"`, ""},
		{"a reference", `"admin" in input.identity.claims.realm_access.roles`, ""},
		{"one of two types", `input.identity.claims.level == "high"`, ""},
		{"the other one", `input.identity.claims.level > 1`, ""},
		{"what is open", `input.identity.claims.extra.b == 1`, ""},
		{"what it has not", `input.identity.claims.taem == "red"`, `a.rego:3: PA001: input.identity.claims has no "taem"; did you mean team?; allowed: team, `},
		{"by object.get", `object.get(input.identity.claims, ["realm_access", "role"], []) == []`, `PA001: input.identity.claims.realm_access has no "role"; did you mean roles?`},
		{"an unknown word", `input.identity.claims.team == "green"`, `PA003: input.identity.claims.team is never "green"`},
		{"a wrong type", `input.identity.claims.team != 1`, `PA002: input.identity.claims.team is a string and 1 is a number`},
		{"neither of two types", `input.identity.claims.level != true`, `PA002: input.identity.claims.level is a number or a string`},
		{"within a reference", `1 in input.identity.claims.realm_access.roles`, `PA002`},
		{"outside of the claims", `input.identity.kind == "usr"`, `PA003`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := policytest.NewDir(t)
			config := Config{
				Sources:      []string{d.Write("a.rego", "package caddy.authz\n\nallow if "+test.body+"\n")},
				ClaimsSchema: d.Write("claims.json", claimsSchema),
			}
			if test.want == "" {
				open(t, config)
				return
			}
			refused(t, config, test.want)
		})
	}
}

// TestClaimsSchemaErrors: a schema that cannot be used is refused by its name
// and, where there is one, its line (T-60).
func TestClaimsSchemaErrors(t *testing.T) {
	tests := []struct {
		name, content, want string
	}{
		{"empty", "", "claims.json"},
		{"no JSON", "{\n  \"type\":\n}", "claims.json:3: "},
		{"a list", "[]", "claims.json:1: want an object"},
		{"of a text", `{"type": "string"}`, `claims.json:1: want the schema of an object`},
		{"of anything", `{}`, `claims.json:1: want the schema of an object`},
		{"an unknown type", `{"type": "object", "properties": {"a": {"type": "text"}}}`, "claims.json: schema: "},
		{"a bad pattern", `{"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}`, "claims.json: schema: "},
		{"a reference to nothing", `{"type": "object", "properties": {"a": {"$ref": "#/definitions/a"}}}`, `claims.json: $ref "#/definitions/a": want a reference to a definition in the same file`},
		{"a reference to another host", `{"type": "object", "properties": {"a": {"$ref": "https://schemas.example/a.json"}}}`, `claims.json: $ref "https://schemas.example/a.json": want a reference to a definition in the same file`},
		{"a reference to a file", `{"$ref": "file:///claims.json"}`, "want a reference to a definition in the same file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := policytest.NewDir(t)
			source := d.Write("a.rego", "package caddy.authz\n\nallow := true\n")
			refused(t, Config{Sources: []string{source}, ClaimsSchema: d.Write("claims.json", test.content)}, "claims_schema: ", test.want)
		})
	}
	refused(t, Config{ClaimsSchema: policytest.NewDir(t).Path + "/gone.json"}, "gone.json", "no such file")
}

// TestClaimsSchemaReload: the schema is read again with the policies, and it may
// lie among them without being taken for data.
func TestClaimsSchemaReload(t *testing.T) {
	d := policytest.NewDir(t)
	d.Write("p/a.rego", "package caddy.authz\n\nallow if input.identity.claims.team\n")
	path := d.Write("p/claims.json", claimsSchema)
	var warnings []string
	set, err := Open(Config{Sources: []string{d.Path + "/p"}, ClaimsSchema: path}, testrun.Checker(), func(r Report) { warnings = append(warnings, r.Warnings...) })
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	d.Write("p/claims.json", strings.Replace(claimsSchema, `"team"`, `"group"`, 1))
	if err := set.Reload(); err == nil || !strings.Contains(err.Error(), `a.rego:3: PA001: input.identity.claims has no "team"`) {
		t.Errorf("got %v", err)
	}
	if len(warnings) > 0 {
		t.Errorf("warnings %q", warnings)
	}
}

// TestRecursiveSchema: a schema that refers to itself, however often, ends.
func TestRecursiveSchema(t *testing.T) {
	d := policytest.NewDir(t)
	config := Config{
		Sources:      []string{d.Write("a.rego", "package caddy.authz\n\nallow if input.identity.claims.child.child.name == \"x\"\n")},
		ClaimsSchema: d.Write("claims.json", `{"type": "object", "properties": {"name": {"type": "string"}, "child": {"$ref": "#"}, "other": {"$ref": "#"}, "more": {"items": {"$ref": "#"}}}}`),
	}
	open(t, config)
}

// TestDataSchema: schemas/data.json holds a source's data and what policies
// read of it to what it says (T-07).
func TestDataSchema(t *testing.T) {
	const schema = `{"type": "object", "properties": {
		"team": {"type": "object", "properties": {"members": {"type": "array", "items": {"type": "string"}}, "colour": {"type": "string", "enum": ["red", "blue"]}}},
		"size": {"type": "integer"}
	}, "additionalProperties": false}`
	tests := []struct {
		name, body, data string
		want             string // of the error; "" if it loads
	}{
		{"what it has", `input.identity.id in data.team.members`, `{"team": {"members": ["alice"], "colour": "red"}, "size": 1}`, ""},
		{"what is built in", `data.caddy.access.allow`, `{}`, ""},
		{"a rule", `helper`, `{}`, ""},
		{"another package", `data.other.ok`, `{}`, ""},
		{"a misspelt field", `data.team.member[0] == "x"`, `{}`, `a.rego:3: PA001: data.team has no "member"; did you mean members?; allowed: members, colour`},
		{"a misspelt name", `data.taem`, `{}`, `PA001: data has no "taem"; did you mean team?`},
		{"a wrong type", `data.size != "1"`, `{}`, `PA002: data.size is a number and "1" is a string`},
		{"an unknown word", `data.team.colour == "green"`, `{}`, `PA003: data.team.colour is never "green"`},
		{"data of a wrong type", `true`, `{"size": "big"}`, `data does not fit `},
		{"data that is not there", `true`, `{"sizes": 1}`, `schemas/data.json: (Root): Additional property sizes is not allowed`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := policytest.NewDir(t)
			d.Write("p/a.rego", "package caddy.authz\n\nallow if "+test.body+"\n\nhelper := true\n")
			d.Write("p/other.rego", "package other\n\nok := true\n")
			d.Write("p/data.json", test.data)
			d.Write("p/schemas/data.json", schema)
			config := Config{Sources: []string{d.Path + "/p"}}
			if test.want != "" {
				refused(t, config, test.want)
				return
			}
			open(t, config)
		})
	}
}

// TestDataSchemas: each source has a schema of its own, and what comes without
// one is open.
func TestDataSchemas(t *testing.T) {
	d := policytest.NewDir(t)
	d.Write("a/schemas/data.json", `{"type": "object", "properties": {"x": {"type": "string"}}}`)
	d.Write("a/data.json", `{"x": "1"}`)
	d.Write("b/schemas/data.json", `{"type": "object", "properties": {"y": {"type": "string"}}}`)
	d.Write("b/data.json", `{"y": "1"}`)
	d.Write("c/data.json", `{"z": 1}`)
	rules := func(body string) string {
		return d.Write("rules.rego", "package caddy.authz\n\nallow if {\n\t"+body+"\n}\n")
	}
	open(t, Config{Sources: []string{rules("data.x != data.y"), d.Path + "/a", d.Path + "/b"}})
	refused(t, Config{Sources: []string{rules("data.z"), d.Path + "/a", d.Path + "/b"}}, `PA001: data has no "z"; did you mean x?`)
	open(t, Config{Sources: []string{rules("data.z"), d.Path + "/a", d.Path + "/b", d.Path + "/c"}})
	refused(t, Config{Sources: []string{rules("data.y != 1"), d.Path + "/a", d.Path + "/b", d.Path + "/c"}}, "PA002: data.y is a string")
}
