package files

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// hub is the one subscription to the system's notifications that all watchers of the
// process share: systems give a user few of them (Linux 128). It exists as long as
// there is a watcher.
type hub struct {
	mu       sync.Mutex
	notify   *fsnotify.Watcher
	watchers map[*watcher]map[string]struct{} // the directories of each
	dirs     map[string]map[*watcher]struct{} // and the other way round
	done     chan struct{}
}

// notifications is the hub of the process.
var notifications = &hub{}

// join adds a watcher. It fails where the system gives no notifications.
func (h *hub) join(w *watcher) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.notify == nil {
		notify, err := fsnotify.NewWatcher()
		if err != nil {
			return err
		}
		h.notify, h.done = notify, make(chan struct{})
		h.watchers, h.dirs = map[*watcher]map[string]struct{}{}, map[string]map[*watcher]struct{}{}
		go h.run(notify, h.done)
	}
	if h.watchers[w] == nil {
		h.watchers[w] = map[string]struct{}{}
	}
	return nil
}

// leave removes a watcher; the last one ends the hub.
func (h *hub) leave(w *watcher) {
	h.mu.Lock()
	_ = h.set(w, nil)
	delete(h.watchers, w)
	notify, done := h.notify, h.done
	last := notify != nil && len(h.watchers) == 0
	if last {
		h.notify = nil
	}
	h.mu.Unlock()
	if last {
		_ = notify.Close()
		<-done
	}
}

// subscribe has a watcher told of what changes in directories, and of nothing else.
func (h *hub) subscribe(w *watcher, dirs map[string]struct{}) error {
	if err := h.join(w); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.set(w, dirs)
}

// set changes the directories of a watcher. Asking again for one that is known changes
// nothing, and one that was removed and made again is new. The lock is held.
func (h *hub) set(w *watcher, dirs map[string]struct{}) (failure error) {
	for dir := range h.watchers[w] {
		if _, still := dirs[dir]; still {
			continue
		}
		delete(h.watchers[w], dir)
		delete(h.dirs[dir], w)
		if len(h.dirs[dir]) == 0 {
			delete(h.dirs, dir)
			_ = h.notify.Remove(dir) // it may be gone
		}
	}
	for dir := range dirs {
		if err := h.notify.Add(dir); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			failure = fmt.Errorf("%s: %w", dir, err)
		}
		if h.dirs[dir] == nil {
			h.dirs[dir] = map[*watcher]struct{}{}
		}
		h.dirs[dir][w], h.watchers[w][dir] = struct{}{}, struct{}{}
	}
	return failure
}

// run hands notifications on until the hub ends.
func (h *hub) run(notify *fsnotify.Watcher, done chan struct{}) {
	defer close(done)
	for {
		select {
		case event, ok := <-notify.Events:
			if !ok {
				return
			}
			h.wake(event.Name)
		case _, ok := <-notify.Errors: // notifications are lost: anything may have changed
			if !ok {
				return
			}
			h.wake("")
		}
	}
}

// wake tells the watchers of a path or of its directory; of "", all.
func (h *hub) wake(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if path == "" {
		for w := range h.watchers {
			w.wake()
		}
		return
	}
	for _, dir := range []string{path, filepath.Dir(path)} {
		for w := range h.dirs[dir] {
			w.wake()
		}
	}
}
