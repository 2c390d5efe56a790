package bundle

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/policy/builtins"
)

// TestOutline: what a module may refer to is found wherever Rego lets it be written.
func TestOutline(t *testing.T) {
	tests := []struct{ name, source, uses, rules string }{
		{"nothing", "a := 1", "p.q", "p.q.a"},
		{"a reference", "a if data.x.y.z", "p.q x.y.z", "p.q.a"},
		{"by a variable", "a if {\n\tsome i\n\tdata.x[i].z\n}", "p.q x", "p.q.a"},
		{"by a number", "a if data.x[1].z", "p.q x", "p.q.a"},
		{"by input", "a if data.x[input.y].z", "p.q x", "p.q.a"},
		{"a name with a dot", `a if data["x.y"].z`, "p.q x.y.z", "p.q.a"},
		{"all data", "a := data", " p.q", "p.q.a"},
		{"all data in a call", "a if walk(data, [_, 1])", " p.q", "p.q.a"},
		{"all data in terms", "a := [[data], {data}, {data: data}, data == data]", " p.q", "p.q.a"},
		{"all data replaced", "a if b with data as {}", " p.q", "p.q.a"},
		{"all data as a member", "a contains data", " p.q", "p.q.a"},
		{"all data as a domain", "a if {\n\tevery x in data {\n\t\tx\n\t}\n}", " p.q", "p.q.a"},
		{"all data in a template", "a := $\"{data}\"", " p.q", "p.q.a"},
		{"all data as a condition", "a if data", " p.q", "p.q.a"},
		{"some in all data", "a if {\n\tsome x in data\n\tx\n}", " p.q", "p.q.a"},
		{"an import", "import data.x.y\n\na if y[input.z]", "p.q x.y", "p.q.a"},
		{"an import with another name", "import data.x.y as z\n\na if z.b", "p.q x.y", "p.q.a"},
		{"an import of all data", "import data as d\n\na if d.b", " p.q", "p.q.a"},
		{"a function", "a if data.x.f(1)", "p.q x.f", "p.q.a"},
		{"a function within a term", "a := [data.x.f(data.y)]", "p.q x.f y", "p.q.a"},
		{"with", "a if b with data.x as data.y", "p.q x y", "p.q.a"},
		{"with a function", "a if b with data.x.f as data.y.f", "p.q x.f y.f", "p.q.a"},
		{"a key", "a[data.x] := 1", "p.q x", "p.q.a"},
		{"in the middle of a key", "a[data.x].b := 1", "p.q x", "p.q.a"},
		{"a member", "a contains data.x", "p.q x", "p.q.a"},
		{"an argument", "f(data.x)", "p.q x", "p.q.f"},
		{"a default", "default a := 1\n\na := data.x", "p.q x", "p.q.a p.q.a"},
		{"else", "a if false\n\nelse := data.x if data.y", "p.q x y", "p.q.a"},
		{"every", "a if {\n\tevery x in data.x {\n\t\tx == data.y\n\t}\n}", "p.q x y", "p.q.a"},
		{"some in", "a if {\n\tsome x in data.x\n\tx\n}", "p.q x", "p.q.a"},
		{"comprehensions", "a := {x: y | x := data.x; y := {data.y | data.z}}", "p.q x y z", "p.q.a"},
		{"a template", "a := $\"{data.x}\"", "p.q x", "p.q.a"},
		{"not", "a if not data.x", "p.q x", "p.q.a"},
		{"within a reference", "a if input[data.x[data.y]]", "p.q x y", "p.q.a"},
		{"more than once", "a if data.x\n\nb if data.x", "p.q x", "p.q.a p.q.b"},
		{"a rule below the package", "a.b.c := 1", "p.q", "p.q.a.b.c"},
		{"a rule with a variable", "a.b[x] := x if x := 1", "p.q", "p.q.a.b"},
		{"a rule with a number, which no data has", "a[1].b := 1", "p.q", ""},
		{"a rule with an array, which is a variable", "a[[1]].b := 1", "p.q", "p.q.a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			module, err := parsePolicy("p.rego", []byte("package p.q\n\n"+test.source+"\n"), builtins.Capabilities(nil))
			if err != nil {
				t.Fatal(err)
			}
			o := outlineOf(module)
			if uses := spelt(o.uses); uses != test.uses {
				t.Errorf("uses %q, want %q", uses, test.uses)
			}
			if rules := spelt(o.rules); rules != test.rules {
				t.Errorf("rules at %q, want %q", rules, test.rules)
			}
		})
	}
}

// spelt writes paths with dots.
func spelt(paths []dataPath) string {
	names := make([]string, len(paths))
	for i, at := range paths {
		names[i] = strings.Join(at, ".")
	}
	return strings.Join(names, " ")
}

// TestGraph: what is needed and what is affected is followed as far as it goes, and
// packages within one another belong together.
func TestGraph(t *testing.T) {
	sources := map[string]string{
		"a": "package a\n\nr if data.b.r", "b": "package b\n\nr if data.c[input.x].r", "c": "package c.d\n\nr if data.e", "e": "package e.f.g", "ee": "package e.f",
		"x": "package x\n\nr if data.y.r", "y": "package y\n\nr if data.x.r", "z": "package z\n\nr if data.e.f.g.r",
	}
	m := &Bundle{Modules: map[string]*ast.Module{}, outlines: map[string]*outline{}}
	for file, source := range sources {
		module, err := parsePolicy(file, []byte(source), builtins.Capabilities(nil))
		if err != nil {
			t.Fatal(err)
		}
		m.Modules[file], m.outlines[file] = module, outlineOf(module)
	}
	g := newGraph(m)
	tests := []struct{ at, needed, affected string }{
		{"a.r", "a b c e ee", "a"},
		{"b", "b c e ee", "a b"},
		{"c.d.r", "c e ee", "a b c"},
		{"c.dd", "", "a b"},
		{"e", "e ee", "a b c e ee z"},
		{"e.f", "e ee", "a b c e ee z"},
		{"e.f.g", "e ee", "a b c e ee z"},
		{"e.x", "", "a b c"},
		{"x", "x y", "x y"},
		{"z.r", "e ee z", "z"},
		{"none", "", ""},
		{"", "a b c e ee x y z", "a b c e ee x y z"},
	}
	for _, test := range tests {
		var at dataPath
		if test.at != "" {
			at = strings.Split(test.at, ".")
		}
		if needed := strings.Join(slices.Sorted(maps.Keys(g.needed([]dataPath{at}))), " "); needed != test.needed {
			t.Errorf("%q needs %q, want %q", test.at, needed, test.needed)
		}
		if affected := strings.Join(slices.Sorted(maps.Keys(g.affected([]dataPath{at}))), " "); affected != test.affected {
			t.Errorf("%q affects %q, want %q", test.at, affected, test.affected)
		}
	}
}
