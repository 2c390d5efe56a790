package session

import (
	"sync"
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

// Hold notes that a session is in use until release is called, as it is while
// a WebSocket or an event stream is open.
func (s *Sessions) Hold(found *Session) (release func()) {
	h := &hold{sessions: s, session: found, again: max(s.config.Idle/4, time.Second/4)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer = time.AfterFunc(h.again, h.touch)
	return h.release
}

// hold is a session in use.
type hold struct {
	sessions *Sessions
	session  *Session
	again    time.Duration
	mu       sync.Mutex
	timer    *time.Timer // nil once released
}

func (h *hold) touch() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.timer != nil {
		h.sessions.Touch(h.session)
		h.timer.Reset(h.again)
	}
}

func (h *hold) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
		h.sessions.Touch(h.session)
	}
}
