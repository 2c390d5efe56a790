package bundle

import (
	"slices"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
)

// TestReserved: no source adds to a package that is built in, whichever it is: by
// a package of that name, one below it, or a rule that leads there.
func TestReserved(t *testing.T) {
	own, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	if len(own) < 4 {
		t.Fatalf("only %d policies are built in", len(own))
	}
	for file, module := range own {
		if strings.Contains(file, "_test") || strings.Contains(file, "example") {
			t.Errorf("%s is built in", file)
		}
		name := strings.TrimPrefix(module.Package.Path.String(), "data.")
		last := name[strings.LastIndex(name, ".")+1:]
		for _, source := range []string{
			"package " + name + "\n\nmore := true\n",
			"package " + name + ".more\n\nmore := true\n",
			"package caddy\n\n" + last + ".more := true\n",
			"package caddy\n\n" + last + ".more contains 1\n",
			"package caddy\n\n" + last + "[x] := true if some x in [1]\n",
			"package caddy\n\n" + last + ".more(x) := x\n",
		} {
			refused(t, Options{Sources: []string{policytest.NewDir(t).Write("a.rego", source)}}, "a.rego:", "the package "+name+" is built in")
		}
		own := Options{Sources: []string{policytest.NewDir(t).Write("a.rego", "package "+name+"_own\n\nallow := true\n")}, Decision: "data." + name + "_own.allow"}
		if _, err := Read(t.Context(), own, Checker{}); err != nil {
			t.Error(err)
		}
	}
}

// TestEmbeddedUsed: of what is built in only what policies or tests use is parsed and
// loaded.
func TestEmbeddedUsed(t *testing.T) {
	tests := []struct{ name, source, test, want string }{
		{"nothing", "allow := true", "", ""},
		{"tables", "allow if data.caddy.access.allow", "", "access/access helpers/helpers"},
		{"helpers", "import data.caddy.helpers as h\n\nallow if h.is_read", "", "helpers/helpers"},
		{"a test does", "allow := true", "test_allow if allow with input as data.caddy.testing.complete({})", "testing/testing"},
		{"whatever there is", "allow if count(data.caddy) > 0", "", "access/access authenticated helpers/helpers testing/testing"},
		{"all data", "allow if walk(data, [[\"a\"], _])", "", "access/access authenticated helpers/helpers testing/testing"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tree := files.Tree{"/p/a.rego": []byte("package other.authz\n\n" + test.source + "\n")}
			if test.test != "" {
				tree["/p/a_test.rego"] = []byte("package other.authz\n\n" + test.test + "\n")
			}
			b, err := NewLoader(Options{Sources: []string{"/p"}, Decision: "data.other.authz.allow"}, Checker{}).assemble(tree)
			if err != nil {
				t.Fatal(err)
			}
			var used []string
			for file := range b.Modules {
				if name, ok := strings.CutPrefix(file, EmbeddedPrefix+"caddy/"); ok {
					used = append(used, strings.TrimSuffix(name, ".rego"))
				}
			}
			slices.Sort(used)
			if got := strings.Join(used, " "); got != test.want {
				t.Errorf("%q are loaded, want %q", got, test.want)
			}
		})
	}
}
