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
	options Options
	hub     *hub                    // nil where only polling is wanted
	news    chan struct{}           // one that waits is enough
	warned  bool                    // that the system has no notifications left
	known   func(state string) bool // whether a look's result is the one that was delivered last
	deliver func(Tree, error)
	cancel  context.CancelFunc
	done    chan struct{}
}

// watch calls deliver, from one goroutine, with each settled tree and each
// error that is not known.
func watch(o Options, known func(string) bool, deliver func(Tree, error)) *watcher {
	w := &watcher{options: o, hub: notifications, news: make(chan struct{}, 1), known: known, deliver: deliver}
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
	if w.hub != nil {
		defer w.hub.leave(w)
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
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case <-w.news:
		}
		if wake {
			return true
		}
	}
}

// wake tells of a change.
func (w *watcher) wake() {
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// subscribe asks for notifications of every directory that matters. Where the system
// has none left, polling has to do, which is warned of.
func (w *watcher) subscribe() {
	if w.hub == nil {
		return
	}
	dirs := map[string]struct{}{}
	for _, path := range w.options.Paths {
		add(dirs, filepath.Dir(path))
		if target, err := filepath.EvalSymlinks(path); err == nil {
			add(dirs, filepath.Dir(target))
			path = target
		}
		_ = filepath.WalkDir(path, func(below string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				if below != path && strings.HasPrefix(entry.Name(), ".") {
					return filepath.SkipDir
				}
				add(dirs, below)
			}
			return nil
		})
	}
	err := w.hub.subscribe(w, dirs)
	if err != nil && !w.warned && w.options.Warn != nil {
		w.options.Warn(fmt.Errorf("the system has no file notifications left, changes are noticed within %s: %w", poll, err))
	}
	w.warned = err != nil
}

// add adds a directory or, if it is missing, the nearest one above, in which it will
// come back. Directories have one name each: the system knows them by their inode.
func add(dirs map[string]struct{}, dir string) {
	real, err := filepath.EvalSymlinks(dir)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	info, failure := os.Stat(dir)
	switch above := filepath.Dir(dir); {
	case err == nil && failure == nil && info.IsDir():
		dirs[real] = struct{}{}
	case errors.Is(err, fs.ErrNotExist) && above != dir:
		add(dirs, above)
	}
}

// look subscribes first, so that what changes after the look is told.
func (w *watcher) look() (snapshot, error) {
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
			settled, again, failure = true, snapshot{}, changing(seen.Tree, again.Tree)
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
