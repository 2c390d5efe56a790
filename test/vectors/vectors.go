// Package vectors finds test material that other projects publish. It is no part of this
// project: it lies in shared/vectors beside it, or where POLICY_AUTH_VECTORS says.
package vectors

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Path returns the path of a file or folder of the material. Without it the test is
// skipped, which in CI is a failure.
func Path(t testing.TB, names ...string) string {
	t.Helper()
	root := os.Getenv("POLICY_AUTH_VECTORS")
	if root == "" {
		root = filepath.Join(moduleDir(t), "..", "shared", "vectors")
	}
	path := filepath.Join(append([]string{root}, names...)...)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no test vectors: %v; POLICY_AUTH_VECTORS says where they are", err)
		}
		t.Skip("no test vectors: ", err)
	}
	return path
}

// Read returns the content of a file of the material.
func Read(t testing.TB, names ...string) []byte {
	t.Helper()
	content, err := os.ReadFile(Path(t, names...))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// Lines returns the lines that are not empty of all files *.txt in a folder of the material.
func Lines(t testing.TB, names ...string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(Path(t, names...), "*.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no lists in %v: %v", names, err)
	}
	var lines []string
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(content)) {
			if line = strings.TrimRight(line, "\r\n"); line != "" {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// moduleDir returns the folder of this module's go.mod. Tests run in the folder of their
// package.
func moduleDir(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = parent
	}
}
