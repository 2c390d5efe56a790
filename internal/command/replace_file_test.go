package command

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestRewriteTogether: edits at the same time do not lose each other's work, and
// who reads meanwhile sees whole files only (T-61).
func TestRewriteTogether(t *testing.T) {
	const edits = 20
	name := filepath.Join(t.TempDir(), "users.yaml")
	if err := os.WriteFile(name, []byte("begin\nend\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	readers.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				if content, err := os.ReadFile(name); err != nil || !strings.HasSuffix(string(content), "\nend\n") {
					t.Errorf("read %q, %v", content, err)
				}
			}
		}
	})
	for i := range edits {
		writers.Go(func() {
			_, err := replaceFile(name, func(old []byte) ([]byte, error) {
				return []byte(strings.Replace(string(old), "end\n", fmt.Sprintf("edit %d\nend\n", i), 1)), nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range edits {
		if !strings.Contains(string(content), fmt.Sprintf("edit %d\n", i)) {
			t.Errorf("edit %d is lost", i)
		}
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
}

// TestRewriteFails: an edit that fails leaves the file, and nothing beside it.
func TestRewriteFails(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "users.yaml")
	if err := os.WriteFile(name, []byte("as it was"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := errors.New("no")
	if made, err := replaceFile(name, func([]byte) ([]byte, error) { return []byte("cut"), want }); made || !errors.Is(err, want) {
		t.Errorf("got %v, %v", made, err)
	}
	if _, err := replaceFile(filepath.Join(dir, "none", "users.yaml"), func([]byte) ([]byte, error) { return nil, nil }); err == nil {
		t.Error("a directory that is not there was written to")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("got %v, %v", entries, err)
	}
	if content, err := os.ReadFile(name); err != nil || string(content) != "as it was" {
		t.Errorf("got %q, %v", content, err)
	}
}

// TestLock: somebody else's edit that does not end is named with what to do, and
// is left alone.
func TestLock(t *testing.T) {
	name := filepath.Join(t.TempDir(), "users.yaml")
	first, err := lockFile(name, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := lockFile(name, 0); err == nil || !strings.Contains(err.Error(), "another command is editing "+name) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(first.Name()); err != nil {
		t.Error(err)
	}
}

// TestExpiry: a date, a time, or how long from now, and nothing that is past.
func TestExpiry(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 500, time.UTC)
	for text, want := range map[string]string{
		"2027-01-01":                "2027-01-01T00:00:00Z",
		"2027-01-01T12:00:00+02:00": "2027-01-01T12:00:00+02:00",
		"90d":                       "2026-07-30T12:00:00Z",
		"36h":                       "2026-05-03T00:00:00Z",
		"":                          "",
		"tomorrow":                  "",
		"2026-05-01":                "",
		"0d":                        "",
		"-1d":                       "",
		"2026-02-31":                "",
		"2027-01-01T12:00:00":       "",
	} {
		e := &expiry{now: func() time.Time { return now }}
		err := e.Set(text)
		switch {
		case want == "" && err == nil:
			t.Errorf("%q was taken for %s", text, e)
		case want != "" && (err != nil || e.String() != want):
			t.Errorf("%q: got %s, %v, want %s", text, e, err, want)
		}
	}
}
