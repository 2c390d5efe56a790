package session

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestKeepAlives: sessions are touched in intervals until their last release, and then
// the timer ends.
func TestKeepAlives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h keepAlives
		var mu sync.Mutex // of told
		var told [][]*Session
		add := func(s *Session) {
			h.add(s, time.Minute, func() {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, h.restart())
			})
		}
		after := func(wait time.Duration, want ...[]*Session) {
			t.Helper()
			time.Sleep(wait)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if !slices.EqualFunc(told, want, slices.Equal) {
				t.Errorf("told %v, want %v", told, want)
			}
			told = nil
		}
		stream, request := new(Session), new(Session)
		add(stream)
		add(stream)
		add(request)
		h.remove(request)
		after(59 * time.Second)
		after(time.Second, []*Session{stream})
		h.remove(stream)
		after(time.Minute, []*Session{stream})
		h.remove(stream)
		after(time.Hour, nil)
		after(24 * time.Hour) // the timer has ended
		add(request)
		after(time.Minute, []*Session{request})
	})
}

// TestReleaseTwice: a use that is released twice does not end another use of the session.
func TestReleaseTwice(t *testing.T) {
	s := newSite(t, Config{Idle: time.Second})
	found, err := s.find(host, s.start(t, visit(host), alice()))
	if err != nil {
		t.Fatal(err)
	}
	first, second := s.KeepAlive(found), s.KeepAlive(found)
	defer second()
	first()
	first()
	s.clock.advance(time.Second / 2)
	for end := time.Now().Add(5 * time.Second); !found.LastUsed().Equal(s.clock.now()); {
		if time.Now().After(end) {
			t.Fatalf("last used at %s, but it is in use", found.LastUsed())
		}
		time.Sleep(10 * time.Millisecond)
	}
}
