package files

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestOpen: T-07, T-08. The first load has to succeed.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/good", "one")
	write(t, dir+"/wrong", "bad")
	age(t, dir+"/good", dir+"/wrong", dir)
	if l, err := Open(Options{Paths: []string{dir + "/none"}}, join); err == nil || l != nil {
		t.Error("a missing file passes")
	}
	if l, err := Open(Options{Paths: []string{dir + "/wrong"}}, join); err == nil || l != nil || err.Error() != "bad content" {
		t.Errorf("a bad file: %v", err)
	}
	paths := []string{dir + "/good"}
	l, err := Open(Options{Paths: paths}, join)
	if err != nil || *l.Load() != "one" || l.Err() != nil {
		t.Fatalf("got %v", err)
	}
	paths[0] = dir + "/wrong" // the caller's own
	if err := l.Reload(); err != nil {
		t.Error(err)
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Error(err)
	}
}

// TestNoPaths: without files there is nothing to watch.
func TestNoPaths(t *testing.T) {
	l, err := Open(Options{}, join)
	if err != nil {
		t.Fatal(err)
	}
	l.Watch()
	if l.watcher != nil || *l.Load() != "" || l.Reload() != nil {
		t.Error("something is watched")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// TestReload: T-07. Each result is reported, what is bad leaves the last good
// value in use, and what has not changed is not parsed.
func TestReload(t *testing.T) {
	path := t.TempDir() + "/users"
	set := func(content string) {
		write(t, path, content)
		age(t, path)
	}
	set("one")
	parsed := 0
	l, err := Open(Options{Paths: []string{path}}, func(tree Tree) (*string, error) {
		parsed++
		return join(tree)
	})
	if err != nil {
		t.Fatal(err)
	}
	reported := new(results)
	l.Report(reported.add)
	steps := []struct {
		name, content, value, report string
		parsed                       int
	}{
		{"unchanged", "one", "one", "", 1},
		{"changed", "two", "two", "ok", 2},
		{"bad", "bad", "two", "ok\nbad content", 3},
		{"still bad, asked again", "bad", "two", "ok\nbad content\nbad content", 4},
		{"as before", "two", "two", "ok\nbad content\nbad content\nok", 5},
		{"unchanged again", "two", "two", "ok\nbad content\nbad content\nok", 5},
	}
	for _, step := range steps {
		set(step.content)
		err := l.Reload()
		if (err != nil) != (step.content == "bad") || !errors.Is(l.Err(), err) {
			t.Errorf("%s: %v, %v", step.name, err, l.Err())
		}
		if *l.Load() != step.value || reported.text() != step.report || parsed != step.parsed {
			t.Errorf("%s: %q, parsed %d times, reported\n%s", step.name, *l.Load(), parsed, reported.text())
		}
	}
	remove(t, path)
	if err := l.Reload(); err == nil || *l.Load() != "two" || l.Err() == nil {
		t.Errorf("missing: %v, %q", err, *l.Load())
	}
	set("two")
	if err := l.Reload(); err != nil || l.Err() != nil {
		t.Errorf("there again: %v", err)
	}
}

// TestReloadPassingFailure: a failure that only Reload saw, in the gap of a
// rename, does not stay after the files are as they were.
func TestReloadPassingFailure(t *testing.T) {
	path := t.TempDir() + "/users"
	write(t, path, "one")
	synctest.Test(t, func(t *testing.T) {
		l, reported := polled(t, Options{Paths: []string{path}})
		synctest.Wait()
		rename(t, path, path+"~")
		if err := l.Reload(); err == nil {
			t.Error("a missing file passes")
		}
		rename(t, path+"~", path)
		time.Sleep(2 * pollInterval)
		if l.Err() != nil || !strings.HasSuffix(reported.text(), "\nok") {
			t.Errorf("%v, reported\n%s", l.Err(), reported.text())
		}
	})
}

// TestReloadLate: T-61. An older look that is taken last does not stay: nobody
// whom the newer one disabled is back for good.
func TestReloadLate(t *testing.T) {
	path := t.TempDir() + "/users"
	write(t, path, "enabled")
	synctest.Test(t, func(t *testing.T) {
		l, _ := polled(t, Options{Paths: []string{path}})
		before, err := scan(l.options)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path, "disabled")
		time.Sleep(2 * pollInterval)
		if *l.Load() != "disabled" {
			t.Fatalf("got %q", *l.Load())
		}
		l.applyScan(before.Tree, nil)
		time.Sleep(2 * pollInterval)
		if *l.Load() != "disabled" {
			t.Errorf("got %q", *l.Load())
		}
	})
}

// TestCloseWaits: T-62. Nothing is parsed or reported after Close.
func TestCloseWaits(t *testing.T) {
	path := t.TempDir() + "/users"
	write(t, path, "one")
	synctest.Test(t, func(t *testing.T) {
		parsing, release := make(chan struct{}), make(chan struct{})
		first := true
		l, err := Open(Options{Paths: []string{path}}, func(tree Tree) (*string, error) {
			if !first {
				close(parsing)
				<-release
			}
			first = false
			return join(tree)
		})
		if err != nil {
			t.Fatal(err)
		}
		l.watcher = &watcher{options: l.options, isKnown: l.isLastResult, deliver: l.applyScan}
		l.watcher.start()
		replace(t, path, "two")
		<-parsing
		closed := make(chan struct{})
		go func() {
			_ = l.Close()
			close(closed)
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("closed while something runs")
		default:
		}
		close(release)
		<-closed
		if *l.Load() != "two" {
			t.Errorf("got %q", *l.Load())
		}
		replace(t, path, "three")
		time.Sleep(10 * pollInterval)
		if *l.Load() != "two" {
			t.Errorf("taken after Close: %q", *l.Load())
		}
	})
}

// TestCycles: T-62. Two hundred reloads of the configuration leave no goroutine
// and no open file.
func TestCycles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/users", "one")
	age(t, dir+"/users", dir)
	before, goroutines := openFiles(), runtime.NumGoroutine()
	for range 200 {
		l, err := Open(Options{Paths: []string{dir}}, join)
		if err != nil {
			t.Fatal(err)
		}
		l.Watch()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines })
	if after := openFiles(); after > before+2 {
		t.Errorf("%d files were open, %d are", before, after)
	}
}

// openFiles counts the process's open files where the system tells; others can
// only be asked how many goroutines there are.
func openFiles() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// TestConcurrentUse: readers see whole values while they are swapped; run with
// -race.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/users"
	write(t, path, "one")
	l, _ := watched(t, Options{Paths: []string{path}})
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if value := *l.Load(); value != "one" && value != "two" {
					t.Errorf("got %q", value)
				}
				_ = l.Err()
				runtime.Gosched()
			}
		})
	}
	group.Go(func() { _ = l.Reload() })
	replace(t, path, "two")
	if err := l.Reload(); err != nil {
		t.Error(err)
	}
	close(stop)
	group.Wait()
	if *l.Load() != "two" {
		t.Errorf("got %q", *l.Load())
	}
}

func BenchmarkLoad(b *testing.B) {
	l, err := Open(Options{}, join)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if l.Load() == nil {
			b.Fatal("nothing")
		}
	}
}
