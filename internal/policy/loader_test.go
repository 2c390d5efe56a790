package policy

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/files"
)

// twoSources are two directories of policies and data, with schemas and a table.
func twoSources() (Config, files.Tree) {
	config := Config{Sources: []string{"/a", "/b"}, Access: []string{"/access.yaml"}, ClaimsSchema: "/claims.json"}.Normalized()
	return config, files.Tree{
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
			config, tree := twoSources()
			l := newLoader(config)
			before, err := l.load(tree)
			if err != nil {
				t.Fatal(err)
			}
			modules, documents := l.modules["/b/other.rego"].value, l.documents["/a/data.json"].value
			authz := l.modules["/a/authz.rego"].value
			if tree[test.path] = []byte(test.content); test.content == "" {
				delete(tree, test.path)
			}
			after, err := l.load(tree)
			if err != nil {
				t.Fatal(err)
			}
			if compiled := after.program != before.program; compiled != test.compiled {
				t.Errorf("compiled: %v", compiled)
			}
			if parsed := l.modules["/b/other.rego"].value != modules; parsed != test.parsed && len(tree["/b/other.rego"]) > 0 {
				t.Errorf("parsed: %v", parsed)
			}
			if l.modules["/a/authz.rego"].value != authz || l.documents["/a/data.json"].value != documents {
				t.Error("another source was parsed again")
			}
			if after.revision == before.revision != (test.name == "nothing") {
				t.Errorf("revision %s", after.revision)
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
		{"none any more without a schema", "/b/data.json", `{}`, `PA001: data has no "members"`},
		{"a broken table", "/access.yaml", "rules: [{}]\n", "/access.yaml:1"},
		{"a broken schema", "/claims.json", "[]", "claims_schema: /claims.json"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config, tree := twoSources()
			l := newLoader(config)
			before, err := l.load(tree)
			if err != nil {
				t.Fatal(err)
			}
			good := tree[test.path]
			for range 2 {
				tree[test.path] = []byte(test.content)
				if _, err := l.load(tree); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v", err)
				}
			}
			tree[test.path] = good
			after, err := l.load(tree)
			if err != nil || after.revision != before.revision || (after.program != before.program && test.path != "/claims.json") {
				t.Errorf("mended: %v", err)
			}
		})
	}
}

// TestLoadForgets: of files that are gone nothing is kept.
func TestLoadForgets(t *testing.T) {
	config, tree := twoSources()
	l := newLoader(config)
	for i := range 5 {
		name := fmt.Sprintf("/b/%d", i)
		tree[name+"/more.rego"], tree[name+"/data.json"] = []byte("package more\n"), []byte(`{"a": 1}`)
		if _, err := l.load(tree); err != nil {
			t.Fatal(err)
		}
		delete(tree, name+"/more.rego")
		delete(tree, name+"/data.json")
	}
	if len(l.modules) != 3 || len(l.documents) != 3 {
		t.Errorf("kept %d policies and %d documents", len(l.modules), len(l.documents))
	}
}

// TestNoMixOfData: under load, each request sees one version of the data, while
// the program stays the same (T-09, T-61).
func TestNoMixOfData(t *testing.T) {
	d := newDir(t)
	d.write("p/authz.rego", "package caddy.authz\n\nallow if {\n\tdata.first == data.nested.second\n\tevery n in data.members {\n\t\tn == data.first\n\t}\n}\n")
	version := func(n int) {
		d.write("p/data.json", fmt.Sprintf(`{"first": %d, "members": {"alice": %[1]d, "bob": %[1]d}}`, n))
		d.write("p/nested/data.yaml", fmt.Sprintf("second: %d\n", n))
	}
	version(0)
	set := open(t, Config{Sources: []string{d.path + "/p"}, Timeout: time.Minute})
	program := set.live.Load().program
	torn := whileAsking(t, func() bool { return !set.Decide(context.Background(), asked("/", "")).Allow }, func() {
		for n := range 20 {
			version(n + 1)
			if err := set.Reload(); err != nil {
				t.Error(err)
			}
		}
	})
	if torn > 0 || set.live.Load().program != program {
		t.Errorf("%d requests saw a mix; the same program: %v", torn, set.live.Load().program == program)
	}
}

// TestOldDataFreed: T-62. Of what is not in use any more nothing is kept, neither
// by the program that later data shares nor by the loader.
func TestOldDataFreed(t *testing.T) {
	config, tree := twoSources()
	l := newLoader(config)
	var old []weak.Pointer[snapshot]
	var data []weak.Pointer[ast.Term]
	for i := range 3 {
		tree["/b/data.json"] = fmt.Appendf(nil, `{"members": {"alice": true, "user-%d": true}}`, i)
		s, err := l.load(tree)
		if err != nil {
			t.Fatal(err)
		}
		old = append(old, weak.Make(s))
		data = append(data, weak.Make(l.documents["/b/data.json"].value.Get(ast.StringTerm("members"))))
	}
	data = data[:2] // the loader remembers the last
	eventually(t, "what was replaced is freed", func() bool {
		runtime.GC()
		return !slices.ContainsFunc(old, func(p weak.Pointer[snapshot]) bool { return p.Value() != nil }) &&
			!slices.ContainsFunc(data, func(p weak.Pointer[ast.Term]) bool { return p.Value() != nil })
	})
	runtime.KeepAlive(l)
}

// TestBindings: 100,000 role bindings take at most 15 MB.
func TestBindings(t *testing.T) {
	const budget = 15_000_000
	config := Config{Sources: []string{"/p"}}.Normalized()
	tree := files.Tree{"/p/authz.rego": []byte("package caddy.authz\n\nallow if \"admin\" in data.bindings[input.identity.username]\n")}
	load := func(bindings []byte) (*snapshot, uint64) {
		tree["/p/data.json"] = bindings
		l := newLoader(config)
		s, err := l.load(tree)
		if err != nil {
			t.Fatal(err)
		}
		delete(tree, "/p/data.json")
		used := heap()
		runtime.KeepAlive(l)
		return s, used
	}
	none, before := load([]byte(`{"bindings": {}}`))
	many, after := load(bindings(100_000))
	runtime.KeepAlive(none)
	runtime.KeepAlive(many)
	used := int64(after) - int64(before)
	t.Logf("%d bytes, %d for each binding", used, used/100_000)
	if used > budget {
		t.Errorf("they take %d bytes; the budget is %d", used, budget)
	}
}

// heap returns how many bytes are in use.
func heap() uint64 {
	var stats runtime.MemStats
	for range 3 { // what has a cleanup is freed after that has run
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// bindings returns a data file of people and their roles.
func bindings(n int) []byte {
	roles := strings.Fields("reader writer reviewer auditor operator admin")
	var b strings.Builder
	b.WriteString(`{"bindings": {`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"user-%06d@example.com": ["%s", "%s"]`, i, roles[i%6], roles[i/6%6])
	}
	b.WriteString("}}")
	return []byte(b.String())
}
