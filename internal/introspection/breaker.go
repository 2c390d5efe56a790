package introspection

import (
	"sync"
	"time"
)

const (
	// breakAfter is how many failures in a row open the breaker: requests pause.
	breakAfter = 5
	// firstPause is how long it is left alone; each further failure doubles it, up to
	// maxPause.
	firstPause = time.Second
	maxPause   = 30 * time.Second
	// trialWait is how long a client waits that arrives during the first request after a
	// pause.
	trialWait = time.Second
)

// state is what a request shows about the endpoint.
type state int

const (
	unclear state = iota // nothing: the answer may be due to the token
	working
	down
)

// breaker is a circuit breaker: after failures in a row no request is sent for a while,
// then one at a time until one succeeds.
type breaker struct {
	mu       sync.Mutex
	failures int       // in a row
	until    time.Time // no request is sent before
	trying   bool      // the request after a pause is running
}

// enter returns how long not to ask the endpoint. If that is 0, leave must be called
// after the request. Trial says that it is the first one after a pause.
func (b *breaker) enter(now time.Time) (wait time.Duration, trial bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.failures < breakAfter:
		return 0, false
	case now.Before(b.until):
		return b.until.Sub(now), false
	case b.trying:
		return trialWait, false
	}
	b.trying = true
	return 0, true
}

// leave records what a request showed, with what enter said of it.
func (b *breaker) leave(now time.Time, shown state, trial bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if trial {
		b.trying = false
	}
	switch {
	case shown == working:
		b.failures = 0
	case shown == unclear, b.failures >= breakAfter && now.Before(b.until): // of those that were sent before the pause
	default:
		b.failures++
		if over := b.failures - breakAfter; over >= 0 {
			b.until = now.Add(min(firstPause<<min(over, 8), maxPause))
		}
	}
}
