package bundle

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/policyauth/caddy-policy-auth/internal/files"
)

// editions are what files of policies and data hold, one after the other: what works
// and what does not, alone or with what is in another one.
var editions = map[string][]string{
	"authz.rego": {
		"package caddy.authz\n\nallow if data.lib.a.ok(input.request.method)\n",
		"package caddy.authz\n\nallow if data.apps[input.request.host].allow\n",
		"package caddy.authz\n\nimport data.lib as l\n\nallow if l.b.flag\n",
		"package caddy.authz\n\nallow if data.lib.a.ok(\"GET\") with data.lib.b.flag as true\n",
		"package caddy.authz\n\nallow if count(data.apps) > 1\n",
		"package caddy.authz\n\nallow if data.lib.a.ok(\"DELETE\") with data.lib.b.f as data.more.p2.f\n",
		"package caddy.authz\n\nallow if {\n\tsome name, app in data.apps\n\tname != \"z\"\n\tapp.allow\n}\n",
		"package caddy.authz\n\nallow if {\n\twalk(data, [path, true])\n\tpath[count(path) - 1] == \"allow\"\n}\n",
	},
	"lib/a.rego": {
		"package lib.a\n\nok(x) if x == \"GET\"\n", "package lib.a\n\nok(x, y) if x == y\n", "package lib.a\n\nok(x) if data.lib.b.f(x)\n", "package lib.a\n\nok := true\n",
	},
	"lib/b.rego": {
		"package lib.b\n\nf(x) if x == \"POST\"\n\nflag if data.more.p0.yes\n", "package lib.b\n\nf(x) if data.lib.a.ok(x)\n\ndefault flag := false\n", "package lib.b\n\nf(_) := true\n\nflag if f(1)\n",
	},
	"lib/b2.rego": {"package lib.b\n\nflag if input.request.method == \"PUT\"\n", "package lib.b\n\nflag(x) if x\n"},
	"lib/lib.rego": {
		"package lib\n\nx := 1\n", "package lib\n\na := 1\n", "package lib\n\nb.c := 1\n", "package lib\n\nc[x] := x if x := input.request.method\n",
	},
	"apps/apps.rego": {
		"# METADATA\n# title: A\n# scope: subpackages\npackage apps\n", "package apps\n\ny[name].allow if name := input.request.method\n", "package apps\n\nz.allow := true\n",
	},
	"apps/x.rego": {
		"package apps.x\n\nallow if input.request.method == \"GET\"\n", "package apps.x\n\nallow if data.more.p1.yes\n",
		"package apps.x\n\nallow if rego.metadata.chain()[1].annotations.title == \"A\"\n", "package apps.x\n\nallow if input.request.metod\n",
	},
	"apps/y.rego":  {"package apps.y\n\ndeep.allow := true\n", "package apps.y\n\nallow := \"yes\"\n"},
	"apps/yy.rego": {"package apps.y.deep\n\nallow := true\n", "package apps.y.deep\n\nother := data.apps.x.allow\n"},
	"more/0.rego": {
		"package more.p0\n\nyes if data.more.p1.yes\n", "package more.p0\n\nyes if data.lib.a.ok(\"GET\")\n", "package more.p0\n\nyes if unknown(1)\n",
		"package more.p0\n\nyes if startswith(1, \"a\")\n", "package more.p0\n\nyes if data.caddy.access.allow\n",
	},
	"more/1.rego": {
		"package more.p1\n\nimport data.apps.x\n\nyes if x.allow\n", "package more.p1\n\nyes if {\n\tsome i\n\tdata.apps[i].allow\n}\n", "package more.p1\n\nyes if x == 1\n", "package more.p1\n\nyes if",
	},
	"more/2.rego": {
		"package more.p2\n\nf(x) if x == \"DELETE\"\n\nyes if data.lib.b.flag\n", "package more.p2\n\nf(x) := x\n\nf(x) := 1\n", "package more.p2\n\n\"not-a-name\"[1].x := 2\n\nyes[data.lib.x].z := 1\n",
	},
	"more/3.rego":   {"package more.p3\n\nyes if \"more\" in data.names\n\np[x] contains y if {\n\tx := 1\n\ty := data.lib.b.f(\"POST\")\n}\n"},
	"log/mask.rego": {"package system.log\n\nmask contains \"/input/identity\" if data.more.p2.yes\n"},
	"data.json": {
		`{}`, `{"more": {"p0": {"yes": true}}}`, `{"apps": {"z": {"allow": true}}}`, `{"more": {"p3": {"p": {"1": 1}}}, "names": ["more"]}`, `{"lib": {"x": 2}}`, `{"more": {"p2": {"not-a-name": {"1": 1}}}}`,
		`{"more": 1}`, `{"more": {"p2": {"yes": {}}}}`,
	},
}

// together loads a tree with all policies compiled in one.
func together(options Options, tree files.Tree) (*Bundle, error) {
	l := NewLoader(options, Checker{})
	b, err := l.assemble(tree)
	if err != nil {
		return nil, err
	}
	if l.program, err = l.compileTogether(b, b.Modules); err != nil {
		return nil, err
	}
	return l.Load(tree)
}

// answers returns what a bundle decides for some requests.
func answers(t *testing.T, b *Bundle) string {
	t.Helper()
	var all []string
	for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
		for _, host := range []string{"x", "y", "z"} {
			query := rego.New(
				rego.Compiler(b.Program.Compiler), rego.Store(b.Store), rego.ParsedQuery(ast.NewBody(ast.NewExpr(ast.NewTerm(b.Program.Decision)))),
				rego.Input(map[string]any{"request": map[string]any{"method": method, "host": host}}), rego.StrictBuiltinErrors(true),
			)
			value, err := query.Eval(t.Context())
			all = append(all, fmt.Sprint(value, err))
		}
	}
	return strings.Join(append(all, b.Warnings...), " ") + fmt.Sprint(len(b.Program.Compiler.GetRulesWithPrefix(Ref(MaskRule))))
}

// TestReloadAsTogether: after each of many edits the policies decide, and the mistakes
// in them are told, as if all were compiled in one (T-07, T-09).
func TestReloadAsTogether(t *testing.T) {
	const edits = 300
	options := Options{Sources: []string{"/p"}, Decision: "data.caddy.authz.allow"}
	names := slices.Sorted(maps.Keys(editions))
	random := rand.New(rand.NewPCG(13, 4711))
	l := NewLoader(options, Checker{})
	tree := files.Tree{"/p/authz.rego": []byte(editions["authz.rego"][0])}
	good := maps.Clone(tree)
	loaded, refused, reused := 0, 0, 0
	for edit := range edits {
		name := names[random.IntN(len(names))]
		if random.IntN(4) == 0 && name != "authz.rego" {
			delete(tree, "/p/"+name)
		} else {
			tree["/p/"+name] = []byte(editions[name][random.IntN(len(editions[name]))])
		}
		last := l.program
		got, err := l.Load(tree)
		want, failure := together(options, tree)
		if fmt.Sprint(err) != fmt.Sprint(failure) {
			t.Fatalf("edit %d, of %s: %v\n\ntogether: %v", edit, name, err, failure)
		}
		if err != nil {
			if refused++; random.IntN(5) > 0 { // most are undone, or hardly any would load
				tree = maps.Clone(good)
			}
			continue
		}
		loaded++
		good = maps.Clone(tree)
		if a, b := answers(t, got), answers(t, want); a != b {
			t.Fatalf("edit %d, of %s:\n%s\ntogether:\n%s", edit, name, a, b)
		}
		within(t, got.Program, want.Program)
		if last != nil && last.Compiler == got.Program.Compiler {
			reused++
		}
	}
	t.Logf("%d loaded, of them %d compiled nothing that is evaluated, %d refused", loaded, reused, refused)
	if min(loaded, refused, reused) < edits/20 {
		t.Error("the edits do not try enough")
	}
}

// within checks that whatever the decision may depend on is compiled.
func within(t *testing.T, part, whole *Program) {
	t.Helper()
	seen := map[util.T]bool{}
	var visit func(node util.T)
	visit = func(node util.T) {
		if seen[node] {
			return
		}
		seen[node] = true
		if rule, ok := node.(*ast.Rule); ok && part.Compiled[rule.Location.File] == nil {
			t.Errorf("%s is not compiled", rule.Location)
		}
		for next := range whole.Compiler.Graph.Dependencies(node) {
			visit(next)
		}
	}
	for _, rule := range whole.Compiler.GetRulesWithPrefix(whole.Decision) {
		visit(rule)
	}
}

// TestReloadOnlyNeeded: a change compiles only what it has to do with, and nothing that
// is evaluated if it has nothing to do with that.
func TestReloadOnlyNeeded(t *testing.T) {
	options, tree := thousand()
	l := NewLoader(options, Checker{})
	before, err := l.Load(tree)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(before.Program.Compiled); n > 20 {
		t.Errorf("%d of %d modules are compiled with the decision", n, len(before.Modules))
	}
	tree["/b/p7.rego"] = []byte("package more.p7\n\nallow := true\n")
	after, err := l.Load(tree)
	if err != nil || after.Program.Compiler != before.Program.Compiler || after.Modules["/b/p7.rego"] == before.Modules["/b/p7.rego"] {
		t.Errorf("another package: compiled anew (%v)", err)
	}
	if allocs := testing.AllocsPerRun(2, func() { _, _ = l.Load(tree) }); allocs > 30_000 {
		t.Errorf("nothing changed: %v allocations", allocs)
	}
	n := 0
	if allocs := testing.AllocsPerRun(2, func() {
		n++
		tree["/b/p7.rego"] = fmt.Appendf(nil, "package more.p7\n\nallow := %d\n", n)
		_, err = l.Load(tree)
	}); allocs > 60_000 || err != nil {
		t.Errorf("another package: %v allocations (%v)", allocs, err)
	}
}

// thousand is a source of a thousand packages, of which the decision reads none, beside
// the one that decides.
func thousand() (Options, files.Tree) {
	options, tree := twoSources()
	for i := range 1000 {
		tree[fmt.Sprintf("/b/p%d.rego", i)] = fmt.Appendf(nil, "package more.p%d\n\nallow if {\n\tsome role in input.identity.roles\n\trole in data.more.roles_%[1]d\n\tinput.request.method == \"GET\"\n}\n", i)
	}
	delete(tree, "/a/schemas/data.json")
	return options, tree
}

// BenchmarkReload loads a thousand policies of which one has changed.
func BenchmarkReload(b *testing.B) {
	options, tree := thousand()
	l := NewLoader(options, Checker{})
	if _, err := l.Load(tree); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		tree["/a/authz.rego"] = fmt.Appendf(nil, "package caddy.authz\n\nimport data.other\n\nversion := %d\n\nallow if other.member\n\nallow if data.caddy.access.allow\n", n)
		if _, err := l.Load(tree); err != nil {
			b.Fatal(err)
		}
	}
}
