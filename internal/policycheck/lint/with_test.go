package lint_test

import (
	"strings"
	"testing"
)

// TestWithInput: a test that asks a policy with an input that no server gives
// does not pass vacuously (T-74).
func TestWithInput(t *testing.T) {
	const policy = "package caddy.authz\n\nallow if input.identity.kind == \"user\"\n"
	const head = "package caddy.authz_test\n\nimport data.caddy.authz\nimport data.caddy.testing\n\n"
	tests := []struct {
		name, body string
		want       string // begins with the line and the code; "" if nothing is wrong
	}{
		{"a whole input", `test_a if not authz.allow with input as testing.input_of(testing.request("GET", "/"), testing.anonymous)`, ""},
		{"a part of one", `test_a if authz.allow with input as {"identity": {"kind": "user"}}`, ""},
		{"a misspelt section", `test_a if not authz.allow with input as {"identiy": {"kind": "user"}}`, `6: PA006: with input: input has no "identiy"; did you mean identity?`},
		{"a misspelt field", `test_a if not authz.allow with input as {"identity": {"kin": "user"}}`, `6: PA006: with input: input.identity has no "kin"; did you mean kind?`},
		{"an unknown word", `test_a if not authz.allow with input as {"identity": {"kind": "usr"}}`, `6: PA006: with input: input.identity.kind is never "usr"`},
		{"a wrong kind", `test_a if not authz.allow with input as {"identity": {"roles": "admin"}}`, `6: PA006: with input: input.identity.roles is an array, and "admin" is a string`},
		{"a header in upper case", `test_a if not authz.allow with input as {"request": {"headers": {"X-Team": "blue"}}}`, `6: PA006: with input: the names in input.request.headers are lower-case`},
		{"no object", `test_a if not authz.allow with input as "user"`, `6: PA006: with input: input is an object, and "user" is a string`},
		{"a part of the input", `test_a if not authz.allow with input.identity.kind as "usr"`, `6: PA006: with input: input.identity.kind is never "usr"`},
		{"a part that is not there", `test_a if not authz.allow with input.identity.kin as "user"`, `6: PA006: with input: input.identity has no "kin"`},
		{"in a union", `test_a if not authz.allow with input as object.union(testing.input_of(testing.request("GET", "/"), testing.anonymous), {"identity": {"kin": "user"}})`, `6: PA006: with input: input.identity has no "kin"`},
		{"given to a builder", "test_a if {\n\twho := object.union(testing.anonymous, {\"rolez\": []})\n\tnot authz.allow with input as testing.input_of(testing.request(\"GET\", \"/\"), who)\n}", `7: PA006: with input: input.identity has no "rolez"`},
		{"completed", `test_a if authz.allow with input as testing.complete({"request": {"path": "/a"}, "identity": {"id": "bob", "kind": "user"}})`, ""},
		{"completed, a misspelt section", `test_a if not authz.allow with input as testing.complete({"identiy": {"kind": "user"}})`, `6: PA006: with input: input has no "identiy"`},
		{"completed, a misspelt field", `test_a if not authz.allow with input as testing.complete({"identity": {"kin": "user"}})`, `6: PA006: with input: input.identity has no "kin"`},
		{"completed, an unknown word", `test_a if not authz.allow with input as testing.complete({"identity": {"id": "bob", "kind": "usr"}})`, `6: PA006: with input: input.identity.kind is never "usr"`},
		{"in a rule", "mine := {\"identity\": {\"kin\": \"user\"}}\n\ntest_a if not authz.allow with input as mine", `6: PA006: with input: input.identity has no "kin"`},
		{"in a function", "of(kind) := {\"identity\": {\"kind\": kind}}\n\ntest_a if not authz.allow with input as of(\"usr\")", `8: PA006: with input: input.identity.kind is never "usr"`},
		{"a method as a stranger may send it", `test_a if not authz.allow with input as {"request": {"method": "get"}}`, ""},
		{"of another policy", "import data.other\n\ntest_a if other.allow with input as {\"kin\": 1}", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			texts := map[string]string{"a.rego": policy, "a_test.rego": head + test.body + "\n"}
			compiler := compiled(t, map[string]string{"a.rego": policy, "a_test.rego": head + test.body + "\n", "other.rego": "package other\n\nallow if input.kin == 1\n"})
			got := findings(t, compiler, texts)
			switch {
			case test.want == "" && len(got) > 0, test.want != "" && len(got) != 1:
				t.Errorf("got %q", got)
			case test.want != "" && !strings.HasPrefix(got[0], "a_test.rego:"+test.want):
				t.Errorf("got %q", got[0])
			}
		})
	}
}
