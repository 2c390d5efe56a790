package policyauth

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/test/testenv"
)

// TestN55Samples: an ordinary denial of a sample is a denial by rule, since each
// gives its decision a value for every request.
func TestN55Samples(t *testing.T) {
	samples := map[string]string{}
	for _, root := range []string{"examples", "policies/examples", "internal/command/scaffold"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".rego") || strings.HasSuffix(path, "_test.rego") {
				return err
			}
			content, err := os.ReadFile(path)
			samples[path] = string(content)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, page := range []string{"docs/policies.md", "docs/decisions.md", "docs/check.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range testenv.BlockForm.FindAllStringSubmatch(string(text), -1) {
			if match[1] == "rego" && strings.Contains(match[3], "\nallow ") {
				samples[page+": "+match[3]] = match[3]
			}
		}
	}
	if len(samples) < 7 {
		t.Fatalf("only %d samples", len(samples))
	}
	for name, content := range samples {
		if !strings.Contains(content, "default allow := false") && !strings.Contains(content, "\nelse := {\"allow\": false") {
			t.Errorf("%s: the decision has no default", name)
		}
	}
}
