package policy

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/files"
)

// TestReserved: nobody adds to a package that is built in, whichever it is: by
// a package of that name, one below it, or a rule that leads there.
func TestReserved(t *testing.T) {
	own, err := embeddedModules()
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
			refused(t, Config{Sources: []string{newDir(t).write("a.rego", source)}}, "a.rego:", "the package "+name+" is built in")
		}
		open(t, Config{Sources: []string{newDir(t).write("a.rego", "package "+name+"_own\n\nallow := true\n")}, Decision: "data." + name + "_own.allow"})
	}
}

// TestEmbeddedStays: what is built in is copied for each set, since compiling
// writes to it.
func TestEmbeddedStays(t *testing.T) {
	own, err := embeddedModules()
	if err != nil {
		t.Fatal(err)
	}
	before := map[string]*ast.Module{}
	for name, module := range own {
		before[name] = module.Copy()
	}
	for range 2 {
		open(t, Config{})
	}
	for name, module := range own {
		if !module.Equal(before[name]) {
			t.Errorf("%s has changed", name)
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
			m, err := newLoader(Config{Sources: []string{"/p"}, Decision: "data.other.authz.allow"}.Normalized()).assemble(tree)
			if err != nil {
				t.Fatal(err)
			}
			var used []string
			for file := range m.modules {
				if name, ok := strings.CutPrefix(file, embeddedPrefix+"caddy/"); ok {
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

// TestTogether: requests, reloads, looks at the status and the end of a set at
// the same time; each request sees one version (T-09).
func TestTogether(t *testing.T) {
	d := newDir(t)
	version := func(n int) {
		text := strconv.Itoa(n)
		d.write("next/a.rego", "package caddy.authz\n\nallow := {\"allow\": data.n == "+text+", \"headers\": {\"X-N\": \""+text+"\"}}\n")
		d.write("next/data.json", `{"n": `+text+`}`)
	}
	version(0)
	var mu sync.Mutex // held while the files change
	set, err := Open(Config{Sources: []string{d.path + "/next"}, Timeout: time.Minute}, func(r Report) {
		if r.Err != nil {
			t.Error(r.Err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	wrong := whileAsking(t, func() bool {
		got := set.Decide(context.Background(), asked("/", ""))
		return !got.Allow || got.Headers.Get("X-N") == "" || set.Status().Error != ""
	}, func() {
		var workers sync.WaitGroup
		for worker := range 2 {
			workers.Go(func() {
				for i := range 10 {
					mu.Lock()
					version(10*worker + i)
					err := set.Reload()
					mu.Unlock()
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		workers.Wait()
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	})
	if wrong > 0 {
		t.Errorf("%d answers were wrong", wrong)
	}
}
