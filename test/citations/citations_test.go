package citations

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestIDs: ids count where they name a test or a case, and are refused elsewhere.
func TestIDs(t *testing.T) {
	id, found := "R-"+"401-1", "N-"+"01"
	tests := []struct {
		name, source string
		held         string // the ids that count
		refused      bool
	}{
		{"above a test", "// TestA: " + id + ".\nfunc TestA(t *testing.T) {}\n", id, false},
		{"above a case", "func TestA(t *testing.T) {\n\t// " + id + "\n\tprintln()\n}\n", id, false},
		{"above a case of a shared table", "var cases = []struct{ a string }{\n\t// " + id + "\n\t{\"a\"},\n}\n", id, false},
		{"a range", "// TestA: " + id + " to R-" + "401-3.\nfunc TestA(t *testing.T) {}\n", id + " " + "R-" + "401-2 R-" + "401-3", false},
		{"a range of T", "// TestA: T-" + "09 to T-" + "11.\nfunc TestA(t *testing.T) {}\n", "T-" + "09 T-" + "10 T-" + "11", false},
		{"a range backwards", "// TestA: T-" + "11 to T-" + "09.\nfunc TestA(t *testing.T) {}\n", "", true},
		{"a range over two families", "// TestA: " + id + " to R-" + "403-3.\nfunc TestA(t *testing.T) {}\n", id, true},
		{"in the name of a test", "func TestE2E_N" + "01Tunnel(t *testing.T) {}\n", found, false},
		{"in the name of a case", "func TestA(t *testing.T) {\n\tt.Run(\"" + found + " a tunnel\", nil)\n}\n", found, false},
		{"behind a statement", "func TestA(t *testing.T) {\n\tprintln() // " + id + "\n}\n", "", true},
		{"in a text", "func TestA(t *testing.T) {\n\tprintln(\"" + id + "\")\n}\n", "", true},
		{"above a helper", "// a: " + id + "\nfunc a() {}\n", "", true},
		{"N in a comment", "// TestA: " + found + "\nfunc TestA(t *testing.T) {}\n", "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a_test.go")
			if err := os.WriteFile(path, []byte("package a\n\n"+test.source), 0o644); err != nil {
				t.Fatal(err)
			}
			holding := map[string][]string{}
			err := GoTests(path, holding)
			if (err != nil) != test.refused {
				t.Errorf("refused: %v", err)
			}
			if got := slices.Sorted(maps.Keys(holding)); !test.refused && strings.Join(got, " ") != test.held {
				t.Errorf("held %q, want %q", got, test.held)
			}
		})
	}
}
