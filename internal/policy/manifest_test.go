package policy

import (
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
)

// TestManifest: what a bundle says of itself binds it, and what we cannot do for
// it is an error.
func TestManifest(t *testing.T) {
	const rules = "package caddy.authz\n\nallow if data.team.open\n"
	tests := []struct {
		name, manifest, want string // of the error; none if it loads
	}{
		{"empty", `{}`, ""},
		{"a revision", `{"revision": "abc"}`, ""},
		{"everything", `{"roots": [""]}`, ""},
		{"one root each", `{"roots": ["caddy/authz", "team"]}`, ""},
		{"a root above", `{"roots": ["caddy", "team"]}`, ""},
		{"a root below data", `{"roots": ["caddy", "team/open", "team/names"]}`, ""},
		{"metadata", `{"metadata": {"a": "b"}, "rego_version": 1}`, ""},
		{"the policy is outside", `{"roots": ["team"]}`, "the package caddy.authz is outside of the roots"},
		{"a name is not a prefix", `{"roots": ["caddy/auth", "team"]}`, "the package caddy.authz is outside of the roots"},
		{"data is outside", `{"roots": ["caddy"]}`, "data.team is outside of the roots"},
		{"some data is outside", `{"roots": ["caddy", "team/open"]}`, "data.team.names is outside of the roots"},
		{"a root below a leaf", `{"roots": ["caddy", "team/open/x", "team/names"]}`, "data.team.open is outside of the roots"},
		{"no root", `{"roots": []}`, "outside of the roots"},
		{"Rego of old", `{"rego_version": 0}`, "only version 1 is read"},
		{"Rego of old in some files", `{"file_rego_versions": {"/a.rego": 0}}`, "only version 1 is read"},
		{"WebAssembly", `{"wasm": [{"module": "policy.wasm"}]}`, "policies in WebAssembly are not run"},
		{"a wrong type", `{"roots": "caddy"}`, ".manifest:1"},
		{"not JSON", `revision: x`, ".manifest:1"},
		{"nothing", ``, ".manifest"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := policytest.NewDir(t)
			d.Write("p/a.rego", rules)
			d.Write("p/data.json", `{"team": {"open": true, "names": []}}`)
			d.Write("p/.manifest", test.manifest)
			config := Config{Sources: []string{d.Path + "/p"}}
			if test.want != "" {
				refused(t, config, test.want, d.Path)
				return
			}
			if got := open(t, config).Decide(t.Context(), asked("/", "")); !got.Allow {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestManifestBelow: only the manifest at the root of a source counts.
func TestManifestBelow(t *testing.T) {
	d := policytest.NewDir(t)
	d.Write("p/a.rego", "package caddy.authz\n\nallow := true\n")
	d.Write("p/vendor/.manifest", `{"revision": "inner", "roots": ["vendor"], "rego_version": 0}`)
	var warnings []string
	set, err := Open(Config{Sources: []string{d.Path + "/p"}}, testrun.Checker(), func(r Report) { warnings = r.Warnings })
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if revision := set.Status().Revision; strings.Contains(revision, "inner") || len(warnings) != 0 {
		t.Errorf("revision %s, warnings %q", revision, warnings)
	}
}
