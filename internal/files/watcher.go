package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// watcher looks at files whenever something may have changed in them.
type watcher struct {
	options  Options
	notifier *notifier               // nil where only polling is wanted
	changed  chan struct{}           // one that waits is enough
	warned   bool                    // that the system has no notifications left
	isKnown  func(state string) bool // whether a look's result is the one that was delivered last
	deliver  func(Tree, error)
	cancel   context.CancelFunc
	done     chan struct{}
}

// watch calls deliver, from one goroutine, with each settled tree and each
// error that is not known.
func watch(o Options, known func(string) bool, deliver func(Tree, error)) *watcher {
	w := &watcher{options: o, notifier: sharedNotifier, changed: make(chan struct{}, 1), isKnown: known, deliver: deliver}
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
	if w.notifier != nil {
		defer w.notifier.unsubscribe(w)
	}
	w.check(ctx)
	for w.wait(ctx, pollInterval, true) && w.wait(ctx, debounce, false) {
		w.check(ctx)
	}
}

// wait returns after some time, or at once if it is woken by a notification. It
// is false when the watcher is closed. All notifications of the time are spent:
// a thousand files that change are one reason to look, not a thousand.
func (w *watcher) wait(ctx context.Context, d time.Duration, wake bool) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case <-w.changed:
		}
		if wake {
			return true
		}
	}
}

// notify tells of a change.
func (w *watcher) notify() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// subscribe asks for notifications of every directory that matters. If the system has
// none left, it falls back to polling and logs a warning.
func (w *watcher) subscribe() {
	if w.notifier == nil {
		return
	}
	dirs := map[string]struct{}{}
	for _, path := range w.options.Paths {
		addDir(dirs, filepath.Dir(path))
		if target, err := filepath.EvalSymlinks(path); err == nil {
			addDir(dirs, filepath.Dir(target))
			path = target
		}
		_ = filepath.WalkDir(path, func(below string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				if below != path && strings.HasPrefix(entry.Name(), ".") {
					return filepath.SkipDir
				}
				addDir(dirs, below)
			}
			return nil
		})
	}
	err := w.notifier.subscribe(w, dirs)
	if err != nil && !w.warned && w.options.Warn != nil {
		w.options.Warn(fmt.Errorf("the system has no file notifications left, changes are noticed within %s: %w", pollInterval, err))
	}
	w.warned = err != nil
}

// addDir adds a directory or, if it is missing, the nearest one above, in which it will
// come back. Directories have one name each: the system knows them by their inode.
func addDir(dirs map[string]struct{}, dir string) {
	real, err := filepath.EvalSymlinks(dir)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	info, failure := os.Stat(dir)
	switch above := filepath.Dir(dir); {
	case err == nil && failure == nil && info.IsDir():
		dirs[real] = struct{}{}
	case errors.Is(err, fs.ErrNotExist) && above != dir:
		addDir(dirs, above)
	}
}

// scan subscribes first, so that changes after the scan cause a notification.
func (w *watcher) scan() (scanResult, error) {
	w.subscribe()
	return scan(w.options)
}

// check delivers what is there, if it is not known and does not change any
// more. That it goes on changing is an error like others.
func (w *watcher) check(ctx context.Context) {
	seen, err := w.scan()
	if w.isKnown(resultID(seen.Tree, err)) {
		return
	}
	deadline := time.Now().Add(settleTimeout)
	for settled := false; !settled; {
		if !w.wait(ctx, settleInterval, false) {
			return
		}
		again, failure := w.scan()
		settled = again.newestFile.Equal(seen.newestFile) && resultID(again.Tree, failure) == resultID(seen.Tree, err)
		if !settled && time.Now().After(deadline) {
			settled, again, failure = true, scanResult{}, unsettledError(seen.Tree, again.Tree)
		}
		seen, err = again, failure
	}
	if !w.isKnown(resultID(seen.Tree, err)) {
		w.deliver(seen.Tree, err)
	}
}

// resultID identifies the result of a scan.
func resultID(tree Tree, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	return tree.Fingerprint()
}
