// Package policytest has what tests of several packages need: a directory of policies.
package policytest

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Dir is a directory of policies.
type Dir struct {
	t    testing.TB
	Path string
}

// NewDir returns an empty directory, which is removed when the test ends.
func NewDir(t testing.TB) Dir { return Dir{t, t.TempDir()} }

// Write puts a file there, old enough to count as settled.
func (d Dir) Write(name, content string) string {
	d.t.Helper()
	path := filepath.Join(d.Path, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		d.t.Fatal(err)
	}
	past := time.Now().Add(-time.Minute)
	for at := path; at != d.Path; at = filepath.Dir(at) {
		if err := os.Chtimes(at, past, past); err != nil {
			d.t.Fatal(err)
		}
	}
	return path
}
