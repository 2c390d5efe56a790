package bundle

import (
	"fmt"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/files"
)

// twoSources are two directories of policies and data, with schemas and a table.
func twoSources() (Options, files.Tree) {
	options := Options{Decision: "data.caddy.authz.allow", Sources: []string{"/a", "/b"}, Access: []string{"/access.yaml"}, ClaimsSchema: "/claims.json"}
	return options, files.Tree{
		"/a/authz.rego":        []byte("package caddy.authz\n\nimport data.other\n\nallow if other.member\n\nallow if data.caddy.access.allow\n"),
		"/a/data.json":         []byte(`{"open": false}`),
		"/a/schemas/data.json": []byte(`{"type": "object", "properties": {"open": {"type": "boolean"}}}`),
		"/b/other.rego":        []byte("package other\n\nmember if data.members[input.identity.username]\n"),
		"/b/data.json":         []byte(`{"members": {"alice": true}}`),
		"/access.yaml":         []byte("rules: []\n"),
		"/claims.json":         []byte(`{"type": "object", "properties": {"team": {"type": "string"}}}`),
	}
}

// TestLoadOnlyWhatChanged: a change of data alone compiles nothing, and a change
// of one file parses no other.
func TestLoadOnlyWhatChanged(t *testing.T) {
	tests := []struct {
		name, path, content string
		parsed, compiled    bool
	}{
		{"nothing", "", "", false, false},
		{"data", "/b/data.json", `{"members": {"bob": true}}`, false, false},
		{"the table", "/access.yaml", "rules: []\ndefault: [{anyone: true}]\n", false, false},
		{"a policy", "/b/other.rego", "package other\n\nmember if data.members[input.identity.id]\n", true, true},
		{"one more policy", "/b/more.rego", "package more\n\na := 1\n", false, true},
		{"a policy less", "/b/other.rego", "", false, true},
		{"the schema of data", "/a/schemas/data.json", `{"type": "object"}`, false, true},
		{"the schema of claims", "/claims.json", `{"type": "object"}`, false, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			options, tree := twoSources()
			l := NewLoader(options, Checker{})
			before, err := l.Load(tree)
			if err != nil {
				t.Fatal(err)
			}
			modules, documents := l.modules["/b/other.rego"].value, l.documents["/a/data.json"].value
			authz := l.modules["/a/authz.rego"].value
			if tree[test.path] = []byte(test.content); test.content == "" {
				delete(tree, test.path)
			}
			after, err := l.Load(tree)
			if err != nil {
				t.Fatal(err)
			}
			if compiled := after.Program != before.Program; compiled != test.compiled {
				t.Errorf("compiled: %v", compiled)
			}
			if parsed := l.modules["/b/other.rego"].value != modules; parsed != test.parsed && len(tree["/b/other.rego"]) > 0 {
				t.Errorf("parsed: %v", parsed)
			}
			if l.modules["/a/authz.rego"].value != authz || l.documents["/a/data.json"].value != documents {
				t.Error("another source was parsed again")
			}
			if after.Revision == before.Revision != (test.name == "nothing") {
				t.Errorf("revision %s", after.Revision)
			}
		})
	}
}

// TestLoadChecksData: data is checked although no policy has changed, and after
// a mistake the policies need not be compiled again (T-07, T-60).
func TestLoadChecksData(t *testing.T) {
	tests := []struct{ name, path, content, want string }{
		{"where a rule is", "/b/data.json", `{"other": {"member": true}}`, "/b/other.rego:3"},
		{"another source's", "/b/data.json", `{"open": true}`, "data.open is also in another source"},
		{"against its schema", "/a/data.json", `{"open": 1}`, "/a: data does not fit /a/schemas/data.json: open"},
		{"not JSON", "/a/data.json", `{`, "/a/data.json: unexpected EOF"},
		{"a broken table", "/access.yaml", "rules: [{}]\n", "/access.yaml:1"},
		{"a broken schema", "/claims.json", "[]", "claims_schema: /claims.json"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			options, tree := twoSources()
			l := NewLoader(options, Checker{})
			before, err := l.Load(tree)
			if err != nil {
				t.Fatal(err)
			}
			good := tree[test.path]
			for range 2 {
				tree[test.path] = []byte(test.content)
				if _, err := l.Load(tree); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v", err)
				}
			}
			tree[test.path] = good
			after, err := l.Load(tree)
			if err != nil || after.Revision != before.Revision || (after.Program != before.Program && test.path != "/claims.json") {
				t.Errorf("mended: %v", err)
			}
		})
	}
}

// TestLoadForgets: of files that are gone nothing is kept.
func TestLoadForgets(t *testing.T) {
	options, tree := twoSources()
	l := NewLoader(options, Checker{})
	for i := range 5 {
		name := fmt.Sprintf("/b/%d", i)
		tree[name+"/more.rego"], tree[name+"/data.json"] = []byte("package more\n"), []byte(`{"a": 1}`)
		if _, err := l.Load(tree); err != nil {
			t.Fatal(err)
		}
		delete(tree, name+"/more.rego")
		delete(tree, name+"/data.json")
	}
	if len(l.modules) != 3 || len(l.documents) != 3 {
		t.Errorf("kept %d policies and %d documents", len(l.modules), len(l.documents))
	}
}
