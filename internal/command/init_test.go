package command

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/open-policy-agent/opa/v1/format"

	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/counterexample"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
)

// TestScaffold: what init makes is formatted and loads, its tests pass and leave
// out nothing, no denial depends on something that may be missing, and every file
// of it is made.
func TestScaffold(t *testing.T) {
	files, err := scaffoldFiles()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	site, err := createSite(dir, "alice")
	if err != nil || len(site.Files) != len(files)+1 {
		t.Fatalf("made %v, %v", site, err)
	}
	for name, content := range files {
		if filepath.Ext(name) != ".rego" {
			continue
		}
		if formatted, err := format.Source(name, content); err != nil || !bytes.Equal(content, formatted) {
			t.Errorf("%s is not formatted (%v)", name, err)
		}
	}
	for _, access := range [][]string{nil, {filepath.Join(dir, "access.yaml")}} {
		options, err := policy.Config{Sources: []string{filepath.Join(dir, "policies")}, Access: access}.Bundle()
		if err != nil {
			t.Fatal(err)
		}
		report, err := testrun.Run(t.Context(), options, testrun.Options{Coverage: true, Explain: true})
		if err != nil || !report.Passed() {
			t.Errorf("got %v, %v", report.Results, err)
		}
		if report.Coverage != nil && report.Coverage.Percent < 100 {
			t.Errorf("the tests evaluate %v%%", report.Coverage.Percent)
		}
		checked, err := counterexample.Check(t.Context(), options, counterexample.CheckOptions{})
		if err != nil || !checked.Clean() {
			t.Errorf("got %+v, %v", checked, err)
		}
	}
}
