package session

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Touch marks a session as used now. It writes the time to the store at most once
// in saveInterval.
func (s *Sessions) Touch(found *Session) {
	now := s.config.Now().UnixNano()
	found.markUsed(now)
	saved := found.savedLastUsed.Load()
	if now-saved >= int64(s.saveInterval) && found.savedLastUsed.CompareAndSwap(saved, now) {
		s.registry.saveLastUsed(found, now, s.remainingLifetime(found))
	}
}

// KeepAlive marks a session as used until release is called, for instance while a
// WebSocket or an event stream is open.
func (s *Sessions) KeepAlive(found *Session) (release func()) {
	s.keepAlives.add(found, max(s.config.Idle/4, time.Second/4), s.touchKeepAlives)
	return (&keepAlive{sessions: s, session: found}).release
}

// keepAlive is one open use of a session.
type keepAlive struct {
	sessions *Sessions
	session  *Session
	released atomic.Bool
}

func (h *keepAlive) release() {
	if !h.released.Swap(true) {
		h.sessions.keepAlives.remove(h.session)
		h.sessions.Touch(h.session)
	}
}

// touchKeepAlives marks all sessions with an open use as used now.
func (s *Sessions) touchKeepAlives() {
	for _, found := range s.keepAlives.restart() {
		s.Touch(found)
	}
}

// keepAlives are the open uses of a site's sessions. One timer serves all of them,
// since most are released before it fires.
type keepAlives struct {
	mu       sync.Mutex
	inUse    map[*Session]int // the number of uses
	timer    *time.Timer
	running  bool
	interval time.Duration
}

// add adds a use. It starts the timer, which calls tick at each interval while
// there is any use.
func (h *keepAlives) add(found *Session, again time.Duration, tick func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.inUse == nil {
		h.inUse, h.interval = map[*Session]int{}, again
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

// remove removes a use. It leaves the timer running, which stops by itself.
func (h *keepAlives) remove(found *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.inUse[found]--; h.inUse[found] == 0 {
		delete(h.inUse, found)
	}
}

// restart returns the sessions with open uses, and restarts the timer if there are
// any.
func (h *keepAlives) restart() []*Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running = len(h.inUse) > 0; h.running {
		h.timer.Reset(h.interval)
	}
	return slices.Collect(maps.Keys(h.inUse))
}
