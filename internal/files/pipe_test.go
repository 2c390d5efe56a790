//go:build unix

package files

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// within fails if something blocks.
func within(t *testing.T, d time.Duration, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(d):
		t.Fatal("it blocks")
		return nil
	}
}

// TestPipe: T-07. A named pipe is refused without waiting for who writes to it,
// also if it took a file's place since it was looked at.
func TestPipe(t *testing.T) {
	dir := t.TempDir()
	pipe := dir + "/pipe"
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	link(t, "pipe", dir+"/linked")
	for _, path := range []string{pipe, dir + "/linked", dir} {
		err := within(t, soon, func() error {
			_, err := scan(Options{Paths: []string{path}})
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "is neither a file nor a directory") {
			t.Errorf("%s: %v", path, err)
		}
	}
	err := within(t, soon, func() error {
		_, err := openRegular(pipe)
		return err
	})
	if err == nil || !strings.Contains(err.Error(), pipe+" is neither a file nor a directory") {
		t.Errorf("opened: %v", err)
	}
	if _, err := scan(Options{Paths: []string{os.DevNull}}); err == nil {
		t.Error("a device passes for a file")
	}
}

// TestPipeInPlace: T-07, T-61. A pipe that takes a watched file's place is
// reported, the last good content stays, and Close does not hang.
func TestPipeInPlace(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/users"
	write(t, path, "one")
	l, reported := watched(t, Options{Paths: []string{path}})
	if err := syscall.Mkfifo(path+".new", 0o600); err != nil {
		t.Fatal(err)
	}
	rename(t, path+".new", path)
	eventually(t, "the pipe is reported", func() bool { return strings.Contains(reported.text(), "neither") })
	if *l.Load() != "one" || l.Err() == nil {
		t.Errorf("got %q, %v", *l.Load(), l.Err())
	}
	if err := within(t, soon, l.Close); err != nil {
		t.Error(err)
	}
}

// TestUnreadable: T-07, T-08. A file without permission is an error, for whoever
// is not above permissions.
func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/users", "x")
	if err := os.Chmod(dir+"/users", 0); err != nil {
		t.Fatal(err)
	}
	seen, err := scan(Options{Paths: []string{dir + "/users"}})
	switch {
	case os.Geteuid() == 0:
		if err != nil || len(seen.Tree) != 1 {
			t.Errorf("root: %v", err)
		}
	case err == nil || !strings.Contains(err.Error(), "/users: permission denied"):
		t.Errorf("got %v", err)
	}
}
