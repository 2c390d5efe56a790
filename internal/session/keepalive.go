package session

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Touch notes that a session is used now, and tells the store once in a while.
func (s *Sessions) Touch(found *Session) {
	now := s.config.Now().UnixNano()
	found.use(now)
	saved := found.saved.Load()
	if now-saved >= int64(s.every) && found.saved.CompareAndSwap(saved, now) {
		s.registry.save(found, now, s.left(found))
	}
}

// KeepAlive notes that a session is in use until release is called, as it is while
// a WebSocket or an event stream is open.
func (s *Sessions) KeepAlive(found *Session) (release func()) {
	s.holds.add(found, max(s.config.Idle/4, time.Second/4), s.touchHeld)
	return (&hold{sessions: s, session: found}).release
}

// hold is one use of a session.
type hold struct {
	sessions *Sessions
	session  *Session
	released atomic.Bool
}

func (h *hold) release() {
	if !h.released.Swap(true) {
		h.sessions.holds.remove(h.session)
		h.sessions.Touch(h.session)
	}
}

// touchHeld notes that all sessions in use are used now.
func (s *Sessions) touchHeld() {
	for _, found := range s.holds.next() {
		s.Touch(found)
	}
}

// holds are the sessions of a site that are in use, with one timer for all: most are
// released long before it is due.
type holds struct {
	mu      sync.Mutex
	inUse   map[*Session]int // how many times
	timer   *time.Timer
	running bool
	again   time.Duration
}

// add adds a use, and has tick called after a while as long as there is any.
func (h *holds) add(found *Session, again time.Duration, tick func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.inUse == nil {
		h.inUse, h.again = map[*Session]int{}, again
	}
	h.inUse[found]++
	switch {
	case h.running:
		return
	case h.timer == nil:
		h.timer = time.AfterFunc(again, tick)
	default:
		h.timer.Reset(again)
	}
	h.running = true
}

// remove removes a use. The timer runs on: it ends by itself.
func (h *holds) remove(found *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.inUse[found]--; h.inUse[found] == 0 {
		delete(h.inUse, found)
	}
}

// next returns what is in use, and starts the timer again if there is anything.
func (h *holds) next() []*Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running = len(h.inUse) > 0; h.running {
		h.timer.Reset(h.again)
	}
	return slices.Collect(maps.Keys(h.inUse))
}
