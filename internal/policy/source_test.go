package policy

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
)

// TestLoad: what a bundle root may hold (T-07).
func TestLoad(t *testing.T) {
	d := policytest.NewDir(t)
	d.Write("good/authz.rego", "package caddy.authz\n\nallow if data.team.members[input.identity.username]\n")
	d.Write("good/authz_test.rego", "this is for opa test and not read")
	d.Write("good/team/data.yaml", "members: {alice: true}\n")
	d.Write("good/team/data.json", `{"size": 1}`)
	d.Write("good/.manifest", `{"revision": "r42", "roots": [""]}`)
	d.Write("good/.hidden.rego", "nonsense")
	d.Write("good/.git/hooks.rego", "nonsense")
	d.Write("good/other.json", "{}")
	d.Write("good/README.md", "prose")
	table := d.Write("good/access.yaml", "rules: []\n")
	var reported Report
	config := Config{Sources: []string{d.Path + "/good"}}
	set, err := Open(config, testrun.Checker(), func(r Report) { reported = r })
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if got := set.Decide(t.Context(), asked("/", "x")); !got.Allow || !strings.HasPrefix(got.Revision, "r42+") {
		t.Errorf("got %+v", got)
	}
	if warned := strings.Join(reported.Warnings, "\n"); len(reported.Warnings) != 2 || !strings.Contains(warned, "other.json is not read") {
		t.Errorf("warnings %q", reported.Warnings)
	}
	d.Write("good/authz.rego", "package caddy.authz\n\nallow if data.caddy.access.allow\n")
	config.Access = []string{table}
	both, err := Open(config, testrun.Checker(), func(r Report) { reported = r })
	if err != nil {
		t.Fatal(err)
	}
	defer both.Close()
	if warned := strings.Join(reported.Warnings, "\n"); strings.Contains(warned, "access.yaml") {
		t.Errorf("the table is warned about: %q", warned)
	}
}

// TestLoadErrors: what is refused, with the file and the line (T-60, T-07).
func TestLoadErrors(t *testing.T) {
	const good = "package caddy.authz\n\nallow if data.x.y\n"
	tests := []struct {
		name  string
		files map[string]string // below the one source
		wants []string
	}{
		{"an empty directory", map[string]string{"sub/.keep": ""}, []string{"neither policies (*.rego) nor data"}},
		{"tests alone", map[string]string{"a_test.rego": good}, []string{"neither policies"}},
		{"data alone", map[string]string{"data.json": "{}"}, []string{"no rule caddy.authz.allow", "packages there: none"}},
		{"bad Rego", map[string]string{"a.rego": "package caddy.authz\n\nallow if {\n"}, []string{"a.rego:4", "unexpected eof"}},
		{"two bad files", map[string]string{"a.rego": "package a\n\nx = = 1\n", "b.rego": "package b\n\ny := := 1\n"}, []string{"a.rego:3", "b.rego:3"}},
		{"Rego of old", map[string]string{"a.rego": "package old\n\nallow { true }\n"}, []string{"a.rego:3", "`if` keyword is required"}},
		{"a file without a policy", map[string]string{"a.rego": "# nothing\n"}, []string{"a.rego"}},
		{"an empty file", map[string]string{"a.rego": ""}, []string{"a.rego"}},
		{"a name that is not there", map[string]string{"a.rego": "package caddy.authz\n\nallow if missing\n"}, []string{"a.rego:3", "missing"}},
		{"a wrong type", map[string]string{"a.rego": "package caddy.authz\n\nallow if lower(1) == \"x\"\n"}, []string{"a.rego:3"}},
		{"recursion", map[string]string{"a.rego": "package caddy.authz\n\nallow if not allow\n"}, []string{"a.rego:3", "recursive"}},
		{"two defaults", map[string]string{"a.rego": "package caddy.authz\n\ndefault allow := true\n\ndefault allow := false\n"}, []string{"a.rego"}},
		{"bad JSON", map[string]string{"a.rego": good, "x/data.json": "{\n  \"y\": \n}"}, []string{"x/data.json:3", "invalid character"}},
		{"JSON cut off", map[string]string{"a.rego": good, "x/data.json": "{\n  \"y\": 1\n"}, []string{"x/data.json", "unexpected EOF"}},
		{"two JSON documents", map[string]string{"a.rego": good, "data.json": "{}{}"}, []string{"data.json"}},
		{"a list as data", map[string]string{"a.rego": good, "data.json": "[1]"}, []string{"data.json:1", "want an object"}},
		{"an empty YAML file", map[string]string{"a.rego": good, "data.yaml": ""}, []string{"data.yaml:1", "want an object"}},
		{"bad YAML", map[string]string{"a.rego": good, "data.yaml": "x:\n\ty: 1\n"}, []string{"data.yaml", "line 2"}},
		{"data in two files", map[string]string{"a.rego": good, "data.json": `{"x": {"y": 1}}`, "x/data.yaml": "y: 2\n"}, []string{"x/data.yaml: data.x.y is also in another file"}},
		{"a rule where data is", map[string]string{"a.rego": "package caddy.authz\n\nallow := true\n", "caddy/authz/data.json": `{"allow": true}`}, []string{"conflict", "a.rego:3"}},
		{"the table as data", map[string]string{"a.rego": good, "caddy/access_table/data.json": `{}`}, []string{"data.json", "access_table is built in"}},
		{"the table as data from above", map[string]string{"a.rego": good, "data.yml": "caddy: {access_table: {rules: []}}"}, []string{"data.yml", "access_table is built in"}},
		{"the table as rules", map[string]string{"a.rego": good, "b.rego": "package caddy.access_table.index\n\nx := 1\n"}, []string{"b.rego:1", "caddy.access_table is built in"}},
		{"a built-in package", map[string]string{"a.rego": "package caddy.access\n\nallow := true\n"}, []string{"a.rego:1", "caddy.access is built in and cannot be added to"}},
		{"below a built-in package", map[string]string{"a.rego": "package caddy.helpers.more\n\nx := true\n"}, []string{"a.rego:1", "caddy.helpers is built in"}},
		{"into a built-in package by a rule's name", map[string]string{"a.rego": good, "b.rego": "package caddy\n\nauthenticated.allow := true\n"}, []string{"b.rego:3", "caddy.authenticated is built in"}},
		{"over a built-in package by a rule's name", map[string]string{"a.rego": good, "b.rego": "package caddy\n\naccess[x] := x if some x in [\"allow\"]\n"}, []string{"b.rego:3", "caddy.access is built in"}},
		{"a bad manifest", map[string]string{"a.rego": good, ".manifest": "{\"revision\":\n 1}"}, []string{".manifest:2"}},
		{"a policy outside of the roots", map[string]string{"a.rego": good, ".manifest": `{"roots": ["x"]}`}, []string{"a.rego:1", "caddy.authz is outside of the roots"}},
		{"data outside of the roots", map[string]string{"a.rego": good, "data.json": `{"x": {"y": 1, "z": 2}}`, ".manifest": `{"roots": ["caddy", "x/y"]}`}, []string{"data.x.z is outside of the roots"}},
		{"WebAssembly", map[string]string{"a.rego": good, ".manifest": `{"wasm": [{"entrypoint": "caddy/authz/allow"}]}`}, []string{".manifest", "WebAssembly"}},
		{"an older Rego by manifest", map[string]string{"a.rego": good, ".manifest": `{"rego_version": 0}`}, []string{".manifest", "rego_version"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := policytest.NewDir(t)
			for name, content := range test.files {
				d.Write("p/"+name, content)
			}
			refused(t, Config{Sources: []string{d.Path + "/p"}}, append(test.wants, d.Path)...)
		})
	}
}

// TestSources: files and directories, several of them, and what is not one.
func TestSources(t *testing.T) {
	d := policytest.NewDir(t)
	rules := d.Write("rules.rego", "package caddy.authz\n\nallow if data.x.y\n")
	data := d.Write("numbers.json", `{"x": {"y": true, "n": 12345678901234567890}}`)
	more := filepath.Dir(d.Write("more/x/data.yaml", "z: 1\n"))
	clash := d.Write("clash.yaml", "x: {y: false}\n")
	for name, sources := range map[string][]string{
		"two files":         {rules, data},
		"files and a tree":  {rules, data, filepath.Dir(more)},
		"in another order":  {filepath.Dir(more), data, rules},
		"one of them twice": {rules, rules, data},
	} {
		if got := open(t, Config{Sources: sources}).Decide(t.Context(), asked("/", "")); !got.Allow {
			t.Errorf("%s: %+v", name, got)
		}
	}
	refused(t, Config{Sources: []string{rules, data, clash}}, clash, "data.x.y is also in another source")
	refused(t, Config{Sources: []string{rules, d.Path + "/gone"}}, d.Path+"/gone", "no such file")
	refused(t, Config{Sources: []string{rules, d.Write("notes.txt", "x")}}, "notes.txt", "neither policies")
	refused(t, Config{Sources: []string{"https://bundles.example/x.tar.gz"}}, "not fetched from a server")
	refused(t, Config{Sources: []string{d.Write("bundle.tar.gz", "x")}}, "bundle.tar.gz: the file is not compressed with gzip")
	refused(t, Config{Access: []string{d.Path + "/bundle.tar.gz"}}, "write policies")
}

// TestManyErrors: a list of mistakes is bounded.
func TestManyErrors(t *testing.T) {
	d := policytest.NewDir(t)
	for i := range 3 * bundle.MaxErrors {
		d.Write(fmt.Sprintf("p/f%02d.rego", i), "package p\n\nx if missing\n")
	}
	set, err := Open(Config{Sources: []string{d.Path + "/p"}}, testrun.Checker(), func(Report) {})
	if err == nil {
		_ = set.Close()
		t.Fatal("it was loaded")
	}
	if got := strings.Count(err.Error(), ".rego:"); got != bundle.MaxErrors || !strings.Contains(err.Error(), "and ") {
		t.Errorf("%d mistakes: %v", got, err)
	}
}

// TestRevision: other contents have another revision, whatever a manifest says.
func TestRevision(t *testing.T) {
	d := policytest.NewDir(t)
	seen := map[string]bool{}
	for _, content := range []string{"true", "false", "true"} {
		d.Write("p/.manifest", `{"revision": "v1"}`)
		d.Write("p/a.rego", "package caddy.authz\n\nallow := "+content+"\n")
		seen[open(t, Config{Sources: []string{d.Path + "/p"}}).Status().Revision] = true
	}
	if len(seen) != 2 {
		t.Errorf("revisions %v", seen)
	}
}

// TestSignatureNames: T-10. A file that is named like the signatures of a bundle
// is no data.
func TestSignatureNames(t *testing.T) {
	for _, name := range []string{"foosignatures.json", "signatures.json", "sub/.signatures.json", "x.signatures.json"} {
		t.Run(name, func(t *testing.T) {
			d := policytest.NewDir(t)
			d.Write("p/a.rego", "package caddy.authz\n\nallow if data.signatures\n\nallow if data.sub.signatures\n")
			d.Write("p/"+name, `{"signatures": ["x"], "sub": {"signatures": ["x"]}}`)
			set := open(t, Config{Sources: []string{d.Path + "/p"}})
			if got := set.Decide(context.Background(), asked("/", "member")); got.Allow {
				t.Errorf("%s was taken for data", name)
			}
		})
	}
}
