package files

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// notifier is the one subscription to the system's notifications that all watchers of the
// process share: systems give a user few of them (Linux 128). It exists as long as
// there is a watcher.
type notifier struct {
	subscribing sync.Mutex // held by who changes what is watched, which asks the system
	fsnotify    *fsnotify.Watcher
	done        chan struct{}

	mu       sync.Mutex                       // held for moments, also by the goroutine that is told of changes
	watchers map[*watcher]map[string]struct{} // the directories of each
	dirs     map[string]map[*watcher]struct{} // and the other way round
}

// sharedNotifier is the hub of the process.
var sharedNotifier = &notifier{}

// subscribe replaces the directories whose changes a watcher is notified of. It fails if the
// system has no notifications left.
func (h *notifier) subscribe(w *watcher, dirs map[string]struct{}) (failure error) {
	h.subscribing.Lock()
	defer h.subscribing.Unlock()
	if h.fsnotify == nil {
		notify, err := fsnotify.NewWatcher()
		if err != nil {
			return err
		}
		h.fsnotify, h.done = notify, make(chan struct{})
		go h.run(notify, h.done)
	}
	for _, dir := range h.setDirs(w, dirs) {
		_ = h.fsnotify.Remove(dir) // it may be gone
	}
	// asking again for one that is known changes nothing, and one that was removed and
	// made again is new
	for dir := range dirs {
		if err := h.fsnotify.Add(dir); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			failure = fmt.Errorf("%s: %w", dir, err)
		}
	}
	return failure
}

// unsubscribe removes a watcher; the last one ends the hub.
func (h *notifier) unsubscribe(w *watcher) {
	h.subscribing.Lock()
	defer h.subscribing.Unlock()
	unused := h.setDirs(w, nil)
	h.mu.Lock()
	delete(h.watchers, w)
	last := len(h.watchers) == 0
	h.mu.Unlock()
	switch {
	case h.fsnotify == nil:
	case last:
		_ = h.fsnotify.Close()
		h.fsnotify = nil
		<-h.done
	default:
		for _, dir := range unused {
			_ = h.fsnotify.Remove(dir)
		}
	}
}

// setDirs notes the directories of a watcher, and returns those that no watcher has any more.
// It asks the system for nothing, which may take its time on a network's file system
// while changes elsewhere are to be told.
func (h *notifier) setDirs(w *watcher, dirs map[string]struct{}) (unused []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers == nil {
		h.watchers, h.dirs = map[*watcher]map[string]struct{}{}, map[string]map[*watcher]struct{}{}
	}
	for dir := range h.watchers[w] {
		if _, still := dirs[dir]; still {
			continue
		}
		delete(h.dirs[dir], w)
		if len(h.dirs[dir]) == 0 {
			delete(h.dirs, dir)
			unused = append(unused, dir)
		}
	}
	h.watchers[w] = dirs
	for dir := range dirs {
		if h.dirs[dir] == nil {
			h.dirs[dir] = map[*watcher]struct{}{}
		}
		h.dirs[dir][w] = struct{}{}
	}
	return unused
}

// run hands notifications on until the hub ends.
func (h *notifier) run(notify *fsnotify.Watcher, done chan struct{}) {
	defer close(done)
	for {
		select {
		case event, ok := <-notify.Events:
			if !ok {
				return
			}
			h.notify(event.Name)
		case _, ok := <-notify.Errors: // notifications are lost: anything may have changed
			if !ok {
				return
			}
			h.notify("")
		}
	}
}

// notify tells the watchers of a path or of its directory; of "", all.
func (h *notifier) notify(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if path == "" {
		for w := range h.watchers {
			w.notify()
		}
		return
	}
	for _, dir := range []string{path, filepath.Dir(path)} {
		for w := range h.dirs[dir] {
			w.notify()
		}
	}
}
