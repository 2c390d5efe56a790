package files

import (
	"context"
	"errors"
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
	notify  *fsnotify.Watcher       // nil where the system has no notifications
	known   func(state string) bool // whether a look's result is the one that was delivered last
	deliver func(Tree, error)
	cancel  context.CancelFunc
	done    chan struct{}
}

// watch calls deliver, from one goroutine, with each settled tree and each
// error that is not known.
func watch(o Options, known func(string) bool, deliver func(Tree, error)) *watcher {
	w := &watcher{options: o, known: known, deliver: deliver}
	w.notify, _ = fsnotify.NewWatcher() // without one, polling has to do
	w.start()
	return w
}

func (w *watcher) start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel, w.done = cancel, make(chan struct{})
	go w.run(ctx)
}

// close ends the goroutine and waits for it.
func (w *watcher) close() {
	w.cancel()
	<-w.done
}

func (w *watcher) run(ctx context.Context) {
	defer close(w.done)
	if w.notify != nil {
		defer w.notify.Close()
	}
	w.check(ctx)
	for w.wait(ctx, poll, true) && w.wait(ctx, gather, false) {
		w.check(ctx)
	}
}

// wait returns after some time, or at once if it is woken by a notification. It
// is false when the watcher is closed. All notifications of the time are spent:
// a thousand files that change are one reason to look, not a thousand.
func (w *watcher) wait(ctx context.Context, d time.Duration, wake bool) bool {
	var (
		events <-chan fsnotify.Event
		losses <-chan error // of notifications; nobody else reads them, and unread they block all others
	)
	if w.notify != nil {
		events, losses = w.notify.Events, w.notify.Errors
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case <-events:
		case <-losses:
		}
		if wake {
			return true
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

// add subscribes to a directory or, if it is missing, to the nearest one above,
// in which it will come back.
func (w *watcher) add(dir string) {
	info, err := os.Stat(dir)
	switch above := filepath.Dir(dir); {
	case err == nil && info.IsDir():
		_ = w.notify.Add(dir) // what cannot be watched is polled
	case errors.Is(err, fs.ErrNotExist) && above != dir:
		w.add(above)
	}
}

// look subscribes first, so that what changes after the look is told.
func (w *watcher) look() (sight, error) {
	w.subscribe()
	return look(w.options)
}

// check delivers what is there, if it is not known and does not change any
// more. That it goes on changing is an error like others.
func (w *watcher) check(ctx context.Context) {
	seen, err := w.look()
	if w.known(stateOf(seen.Tree, err)) {
		return
	}
	deadline := time.Now().Add(patience)
	for settled := false; !settled; {
		if !w.wait(ctx, settle, false) {
			return
		}
		again, failure := w.look()
		settled = again.written.Equal(seen.written) && stateOf(again.Tree, failure) == stateOf(seen.Tree, err)
		if !settled && time.Now().After(deadline) {
			settled, again, failure = true, sight{}, changing(seen.Tree, again.Tree)
		}
		seen, err = again, failure
	}
	if !w.known(stateOf(seen.Tree, err)) {
		w.deliver(seen.Tree, err)
	}
}

// stateOf names a look's result.
func stateOf(tree Tree, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	return tree.Fingerprint()
}
