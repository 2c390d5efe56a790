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
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
)

// policySources are two directories of policies and data, with schemas and a table.
func policySources() (Config, files.Tree) {
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

// TestLoadChecksAgainstPolicies: data is checked against the policies although none has changed, and
// after a mistake the policies are not compiled again (T-07, T-60).
func TestLoadChecksAgainstPolicies(t *testing.T) {
	config, tree := policySources()
	l := newLoader(config, testrun.Checker())
	before, err := l.load(tree)
	if err != nil {
		t.Fatal(err)
	}
	good := tree["/b/data.json"]
	tree["/b/data.json"] = []byte("{}")
	if _, err := l.load(tree); err == nil || !strings.Contains(err.Error(), `PA001: data has no "members"`) {
		t.Errorf("got %v", err)
	}
	tree["/b/data.json"] = good
	if after, err := l.load(tree); err != nil || after.revision != before.revision || after.compiler != before.compiler {
		t.Errorf("mended: %v", err)
	}
}

// TestNoMixOfData: under load, each request sees one version of the data, while
// the program stays the same (T-09, T-61).
func TestNoMixOfData(t *testing.T) {
	d := policytest.NewDir(t)
	d.Write("p/authz.rego", "package caddy.authz\n\nallow if {\n\tdata.first == data.nested.second\n\tevery n in data.members {\n\t\tn == data.first\n\t}\n}\n")
	version := func(n int) {
		d.Write("p/data.json", fmt.Sprintf(`{"first": %d, "members": {"alice": %[1]d, "bob": %[1]d}}`, n))
		d.Write("p/nested/data.yaml", fmt.Sprintf("second: %d\n", n))
	}
	version(0)
	set := open(t, Config{Sources: []string{d.Path + "/p"}, Timeout: time.Minute})
	compiler := set.live.Load().compiler
	torn := whileAsking(t, func() bool { return !set.Decide(context.Background(), asked("/", "")).Allow }, func() {
		for n := range 20 {
			version(n + 1)
			if err := set.Reload(); err != nil {
				t.Error(err)
			}
		}
	})
	if torn > 0 || set.live.Load().compiler != compiler {
		t.Errorf("%d requests saw a mix; the same program: %v", torn, set.live.Load().compiler == compiler)
	}
}

// TestOldDataFreed: T-62. Of what is not in use any more nothing is kept, neither
// by the program that later data shares nor by the loader.
func TestOldDataFreed(t *testing.T) {
	config, tree := policySources()
	l := newLoader(config, testrun.Checker())
	var old []weak.Pointer[snapshot]
	var data []weak.Pointer[ast.Term]
	for i := range 3 {
		tree["/b/data.json"] = fmt.Appendf(nil, `{"members": {"alice": true, "user-%d": true}}`, i)
		s, err := l.load(tree)
		if err != nil {
			t.Fatal(err)
		}
		old = append(old, weak.Make(s))
		data = append(data, weak.Make(s.evaluator.data.root.Get(ast.StringTerm("members"))))
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
		l := newLoader(config, testrun.Checker())
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
