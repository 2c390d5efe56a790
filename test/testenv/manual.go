package testenv

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// BlockForm is a fenced block of Markdown: its language, what else stands on
// the fence, and its text.
var BlockForm = regexp.MustCompile("(?ms)^```([a-z]+) ?([a-z0-9]*)\n(.*?)^```$")

// Manual is the README and the pages that it consists of.
var Manual = []string{"README.md", "docs/directive.md", "docs/methods.md", "docs/access.md", "docs/policies.md", "docs/observing.md"}

// Blocks returns the manual's blocks of a language; root is the project's folder.
func Blocks(t testing.TB, root, language, kind string) []string {
	t.Helper()
	var found []string
	for _, page := range Manual {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range BlockForm.FindAllStringSubmatch(string(text), -1) {
			if match[1] == language && match[2] == kind {
				found = append(found, match[3])
			}
		}
	}
	if len(found) == 0 {
		t.Fatalf("the manual has no block %s %s", language, kind)
	}
	return found
}
