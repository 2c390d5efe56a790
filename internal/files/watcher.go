package files

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watcher looks at files whenever something may have changed in them.
type watcher struct {
	options Options
	notify  *fsnotify.Watcher // nil where the system has no notifications
	deliver func(Tree, error)
	last    string // fingerprint or error of what was delivered last
	cancel  context.CancelFunc
	done    chan struct{}
}

// watch calls deliver, from one goroutine, with each new settled tree and each
// new error. It begins from seen, which is not delivered.
func watch(o Options, seen Tree, deliver func(Tree, error)) *watcher {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watcher{options: o, deliver: deliver, last: seen.Fingerprint(), cancel: cancel, done: make(chan struct{})}
	w.notify, _ = fsnotify.NewWatcher() // without one, polling has to do
	go w.run(ctx)
	return w
}

// close ends the goroutine and waits for it.
func (w *watcher) close() {
	w.cancel()
	<-w.done
}

func (w *watcher) run(ctx context.Context) {
	defer close(w.done)
	var events <-chan fsnotify.Event
	if w.notify != nil {
		defer w.notify.Close()
		events = w.notify.Events
	}
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		w.subscribe()
		w.check(ctx)
		select {
		case <-ctx.Done():
			return
		case <-events:
		case <-ticker.C:
		}
	}
}

// subscribe asks for notifications of every directory that matters. Asking
// again for one that is known changes nothing, and one that is gone is
// forgotten by the system.
func (w *watcher) subscribe() {
	if w.notify == nil {
		return
	}
	for _, path := range w.options.Paths {
		w.add(filepath.Dir(path))
		if target, err := filepath.EvalSymlinks(path); err == nil {
			w.add(filepath.Dir(target))
			path = target
		}
		_ = filepath.WalkDir(path, func(below string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				if below != path && strings.HasPrefix(entry.Name(), ".") {
					return filepath.SkipDir
				}
				w.add(below)
			}
			return nil
		})
	}
}

func (w *watcher) add(dir string) {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		_ = w.notify.Add(dir) // what cannot be watched is polled
	}
}

// check delivers what is there, if it is not what was delivered last and does
// not change any more.
func (w *watcher) check(ctx context.Context) {
	tree, _, err := look(w.options)
	state := w.state(tree, err)
	if state == w.last {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(settle):
		}
		tree, _, err = look(w.options)
		again := w.state(tree, err)
		if again == state {
			break
		}
		state = again
	}
	if state != w.last {
		w.last = state
		w.deliver(tree, err)
	}
}

// state names a look's result.
func (w *watcher) state(tree Tree, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	return tree.Fingerprint()
}
