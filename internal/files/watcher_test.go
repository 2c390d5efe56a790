package files

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestSwaps: T-61. However an operator or a tool replaces a file, the new content
// is in use soon, and every value in between was whole.
func TestSwaps(t *testing.T) {
	write1 := func(t *testing.T, path string) { write(t, path, "one.") }
	tests := []struct {
		name       string
		watch      string // below the directory
		set, swap  func(t *testing.T, dir string)
		afterwards string
	}{
		{"rename over", "users", func(t *testing.T, dir string) { write1(t, dir+"/users") },
			func(t *testing.T, dir string) { replace(t, dir+"/users", "two.") }, "two."},
		{"written in place", "users", func(t *testing.T, dir string) { write1(t, dir+"/users") },
			func(t *testing.T, dir string) { write(t, dir+"/users", "two.") }, "two."},
		{"an editor: backup, new file, temporary file", "users", func(t *testing.T, dir string) { write1(t, dir+"/users") },
			func(t *testing.T, dir string) {
				write(t, dir+"/4913", "")
				remove(t, dir+"/4913")
				write(t, dir+"/.users.swp", "bad")
				rename(t, dir+"/users", dir+"/users~")
				write(t, dir+"/users", "two.")
				remove(t, dir+"/users~")
			}, "two."},
		{"a directory of an editor's files", "", func(t *testing.T, dir string) { write1(t, dir+"/a") },
			func(t *testing.T, dir string) {
				write(t, dir+"/.a.swp", "bad")
				write(t, dir+"/4913", "bad")
				remove(t, dir+"/4913")
				replace(t, dir+"/a", "two.")
			}, "two."},
		{"a file more", "", func(t *testing.T, dir string) { write1(t, dir+"/a") },
			func(t *testing.T, dir string) { write(t, dir+"/b", "two.") }, "one.two."},
		{"a file less", "", func(t *testing.T, dir string) { write1(t, dir+"/a"); write(t, dir+"/b", "two.") },
			func(t *testing.T, dir string) { remove(t, dir+"/a") }, "two."},
		{"a new directory, filled later", "", func(t *testing.T, dir string) { write1(t, dir+"/a") },
			func(t *testing.T, dir string) {
				write(t, dir+"/sub/deep/b", "two.")
				time.Sleep(2 * debounce)
				write(t, dir+"/sub/deep/c", "three.")
			}, "one.two.three."},
		{"Kubernetes, a file", "users", kubernetes, kubernetesSwap, "two."},
		{"Kubernetes, the directory", "", kubernetes, kubernetesSwap, "two."},
		{"a link to elsewhere, whose target is replaced", "linked", func(t *testing.T, dir string) {
			write1(t, dir+"/real/users")
			link(t, "real/users", dir+"/linked")
		}, func(t *testing.T, dir string) { replace(t, dir+"/real/users", "two.") }, "two."},
		{"a directory is another one's name", "current", func(t *testing.T, dir string) {
			write1(t, dir+"/v1/users")
			write(t, dir+"/v2/users", "two.")
			link(t, "v1", dir+"/current")
		}, func(t *testing.T, dir string) {
			link(t, "v2", dir+"/next")
			rename(t, dir+"/next", dir+"/current")
		}, "two."},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir() + "/watched"
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			test.set(t, dir)
			l, reported := watched(t, Options{Paths: []string{strings.TrimSuffix(dir+"/"+test.watch, "/")}})
			test.swap(t, dir)
			eventually(t, test.afterwards+" in use", func() bool { return *l.Load() == test.afterwards })
			if l.Err() != nil || strings.Contains(reported.text(), "bad") {
				t.Errorf("%v; reported\n%s", l.Err(), reported.text())
			}
		})
	}
}

// kubernetes mounts a ConfigMap the way the kubelet does: files are links into
// ..data, which is a link to a directory with the contents.
func kubernetes(t *testing.T, dir string) {
	write(t, dir+"/..2026_01_01/users", "one.")
	link(t, "..2026_01_01", dir+"/..data")
	link(t, "..data/users", dir+"/users")
}

func kubernetesSwap(t *testing.T, dir string) {
	write(t, dir+"/..2026_01_02/users", "two.")
	link(t, "..2026_01_02", dir+"/..data_tmp")
	rename(t, dir+"/..data_tmp", dir+"/..data")
	remove(t, dir+"/..2026_01_01")
}

// TestSlowWrites: T-61. A file that is written slowly in place is never taken
// half-way: cutting off "disabled" enables nobody.
func TestSlowWrites(t *testing.T) {
	path := t.TempDir() + "/users"
	write(t, path, "one: {disabled: true}\n")
	synctest.Test(t, func(t *testing.T) {
		var half atomic.Int64
		l, err := Open(Options{Paths: []string{path}}, func(tree Tree) (*string, error) {
			text := string(tree[path])
			if !strings.HasSuffix(text, "{disabled: true}\n") {
				half.Add(1)
			}
			return &text, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		l.watcher = &watcher{options: l.options, isKnown: l.isLastResult, deliver: l.applyScan}
		l.watcher.start()
		defer l.Close()
		for i := range 100 { // at all phases of polling
			slowly(t, path, fmt.Sprintf("user%d: {disabled: true}\n", i), time.Duration(10+i)*time.Millisecond)
			time.Sleep(time.Duration(i) * 61 * time.Millisecond)
		}
		time.Sleep(2 * pollInterval)
		if half.Load() > 0 || *l.Load() != "user99: {disabled: true}\n" {
			t.Errorf("%d times half a file; at last %q", half.Load(), *l.Load())
		}
	})
}

// TestKeepsChanging: T-07. A file that never settles is reported, not waited for
// in silence; the last good content stays.
func TestKeepsChanging(t *testing.T) {
	path := t.TempDir() + "/users"
	write(t, path, "one")
	synctest.Test(t, func(t *testing.T) {
		l, reported := polled(t, Options{Paths: []string{path}})
		for n := range 300 {
			time.Sleep(20 * time.Millisecond) // never at the time of a look
			write(t, path, strings.Repeat("x", n))
			time.Sleep(30 * time.Millisecond)
		}
		if *l.Load() != "one" || l.Err() == nil || reported.text() != path+" keeps changing" {
			t.Errorf("%q, %v, reported\n%s", *l.Load(), l.Err(), reported.text())
		}
		time.Sleep(2 * pollInterval)
		if *l.Load() != strings.Repeat("x", 299) || l.Err() != nil {
			t.Errorf("%q, %v", *l.Load(), l.Err())
		}
	})
}

// TestPolling: where notifications are missing, polling sees a change.
func TestPolling(t *testing.T) {
	path := t.TempDir() + "/users"
	write(t, path, "one")
	synctest.Test(t, func(t *testing.T) {
		l, reported := polled(t, Options{Paths: []string{path}})
		replace(t, path, "two")
		time.Sleep(pollInterval + debounce + 2*settleInterval)
		if *l.Load() != "two" {
			t.Errorf("got %q", *l.Load())
		}
		time.Sleep(10 * pollInterval)
		if reported.text() != "ok" {
			t.Errorf("reported\n%s", reported.text())
		}
	})
}

// TestReports: T-07. Each swap and each failure is reported once, and the last
// good content stays.
func TestReports(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := dir + "/etc/users"
	write(t, path, "one")
	l, reported := watched(t, Options{Paths: []string{path}})
	var want []string
	step := func(value, report string) {
		t.Helper()
		want = append(want, report)
		eventually(t, report, func() bool { return reported.text() == strings.Join(want, "\n") })
		if *l.Load() != value || (l.Err() == nil) != (report == "ok") {
			t.Errorf("%q, %v", *l.Load(), l.Err())
		}
	}
	replace(t, path, "two")
	step("two", "ok")
	replace(t, path, "bad")
	step("two", "bad content")
	replace(t, path, "bad too")
	step("two", "bad content")
	remove(t, dir+"/etc") // with its directory
	step("two", path+": no such file or directory; create it, or correct the path")
	write(t, path, "two")
	step("two", "ok")
	replace(t, path, "three")
	step("three", "ok")
}

// TestQuiet: what is not new is not delivered: touching a file, and whatever
// happens beside it.
func TestQuiet(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir+"/users", "one")
	_, reported := watched(t, Options{Paths: []string{dir + "/users"}})
	write(t, dir+"/other", "x")
	replace(t, dir+"/users", "one")
	time.Sleep(2*settleInterval + 4*debounce)
	if reported.text() != "" {
		t.Errorf("reported\n%s", reported.text())
	}
}

// TestNoise: a log that is written in the same directory does not make the
// watcher read everything for each line.
func TestNoise(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir+"/users", "one")
	var looks atomic.Int64
	w := watch(Options{Paths: []string{dir + "/users"}}, func(string) bool { looks.Add(1); return true }, func(Tree, error) {})
	defer w.close()
	began := time.Now()
	for time.Since(began) < 6*debounce {
		write(t, dir+"/log", time.Now().String())
	}
	if most := int64(time.Since(began)/debounce) + 2; looks.Load() > most {
		t.Errorf("%d looks", looks.Load())
	}
}

// TestLostNotifications: news of lost notifications is read, since it would
// block all others, and is a reason to look.
func TestLostNotifications(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/users"
	write(t, path, "one")
	looked := make(chan struct{}, 100)
	w := watch(Options{Paths: []string{path}}, func(string) bool { looked <- struct{}{}; return true }, func(Tree, error) {})
	defer w.close()
	<-looked // at the start
	for range 3 {
		select {
		case sharedNotifier.lost() <- errors.New("overflow"):
		case <-time.After(soon):
			t.Fatal("nobody reads errors")
		}
	}
	select {
	case <-looked:
	case <-time.After(soon):
		t.Error("nobody looked")
	}
}
