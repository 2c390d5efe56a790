package testenv

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRecipes: each recipe is in the list of recipes, has the sections that readers
// look for, and is run by an end-to-end test.
func TestRecipes(t *testing.T) {
	pages, err := filepath.Glob("../../docs/recipes/*.md")
	if err != nil || len(pages) < 15 {
		t.Fatalf("%d recipes, %v", len(pages), err)
	}
	files, err := filepath.Glob("../e2e/recipe_*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	read := func(names ...string) string {
		var all strings.Builder
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
		return all.String()
	}
	tests, list := read(files...), read("../../docs/recipes/README.md")
	for _, page := range pages {
		name := strings.TrimSuffix(filepath.Base(page), ".md")
		if name == "README" {
			continue
		}
		if !strings.Contains(list, "("+name+".md)") {
			t.Errorf("%s is not in the list", name)
		}
		if !strings.Contains(tests, `newRecipe(t, "`+name+`"`) {
			t.Errorf("no test runs %s", name)
		}
		for _, section := range []string{"Why", "Check", "Pitfalls"} {
			if !strings.Contains(read(page), "\n## "+section+"\n") {
				t.Errorf("%s has no section %s", name, section)
			}
		}
	}
}
