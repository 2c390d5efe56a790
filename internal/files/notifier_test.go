package files

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// lost returns the hub's channel of lost notifications.
func (h *notifier) lost() chan<- error {
	h.subscribing.Lock()
	defer h.subscribing.Unlock()
	return h.fsnotify.Errors
}

// TestN17OneWatcher: however many directories are watched, the process has one
// subscription, each watcher is told of its own, and the last one ends it.
func TestN17OneWatcher(t *testing.T) {
	dir := t.TempDir()
	var all []*Watched[string]
	for i := range 50 {
		path := dir + "/" + strconv.Itoa(i) + "/file"
		write(t, path, "one")
		l, _ := watched(t, Options{Paths: []string{path}})
		all = append(all, l)
	}
	eventually(t, "one inotify instance", func() bool { return instances(t) == 1 })
	for i, l := range all {
		write(t, dir+"/"+strconv.Itoa(i)+"/file", "two")
		eventually(t, "the change of "+strconv.Itoa(i), func() bool { return *l.Load() == "two" })
	}
	for _, l := range all {
		_ = l.Close()
	}
	if n := instances(t); n != 0 {
		t.Errorf("%d instances are left", n)
	}
}

// instances counts the process's inotify instances.
func instances(t *testing.T) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	for _, entry := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil && strings.Contains(target, "inotify") {
			n++
		}
	}
	return n
}

// TestN17Size: a file over the limit is known by its size; a hole of a terabyte takes
// no time and no memory.
func TestN17Size(t *testing.T) {
	path := t.TempDir() + "/large"
	write(t, path, "")
	if err := os.Truncate(path, 1<<40); err != nil {
		t.Fatal(err)
	}
	allocated := testing.AllocsPerRun(1, func() {
		if _, err := scan(Options{Paths: []string{path}}); err == nil || !strings.Contains(err.Error(), "too large") {
			t.Error(err)
		}
	})
	if allocated > 100 {
		t.Errorf("%v allocations", allocated)
	}
}
