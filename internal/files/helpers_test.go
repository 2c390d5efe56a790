package files

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain: T-62, no goroutine outlives its watcher.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon is how long a notification may take; polling takes longer.
const soon = pollInterval - time.Second

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// replace renames a finished file over the old one.
func replace(t testing.TB, path, content string) {
	t.Helper()
	write(t, path+".new", content)
	rename(t, path+".new", path)
}

func rename(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func link(t testing.TB, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// age makes files settled: they were written an hour ago.
func age(t testing.TB, paths ...string) {
	t.Helper()
	then := time.Now().Add(-time.Hour)
	for _, path := range paths {
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
}

// join is a parser: all contents, in order. Text with "bad" in it is refused.
func join(tree Tree) (*string, error) {
	var all strings.Builder
	for _, path := range tree.Paths() {
		all.Write(tree[path])
	}
	text := all.String()
	if strings.Contains(text, "bad") {
		return nil, errors.New("bad content")
	}
	return &text, nil
}

// results collects what is reported.
type results struct {
	mu  sync.Mutex
	all []error
}

func (r *results) add(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, err)
}

// text is what was reported, in order.
func (r *results) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []string
	for _, err := range r.all {
		line := "ok"
		if err != nil {
			line = err.Error()
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// watched opens and watches files until the test ends.
func watched(t *testing.T, o Options) (*Watched[string], *results) {
	t.Helper()
	l, err := Open(o, join)
	if err != nil {
		t.Fatal(err)
	}
	reported := new(results)
	l.Report(reported.add)
	l.Watch()
	t.Cleanup(func() { _ = l.Close() })
	return l, reported
}

// polled is like watched, without notifications: its time can be synctest's.
func polled(t *testing.T, o Options) (*Watched[string], *results) {
	t.Helper()
	l, err := Open(o, join)
	if err != nil {
		t.Fatal(err)
	}
	reported := new(results)
	l.Report(reported.add)
	l.watcher = &watcher{options: o, isKnown: l.isLastResult, deliver: l.applyScan}
	l.watcher.start()
	t.Cleanup(func() { _ = l.Close() })
	return l, reported
}

// eventually waits until a condition holds, sooner than polling would see it.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(soon); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}
