package store

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// writeDelay is how long changes are collected before they are written, unless a
	// caller waits. Within this time, all changes of a key are one write.
	writeDelay = 5 * time.Second
	// writeBatch is the number of changes that are written immediately.
	writeBatch = 10_000
	// maxPending is the number of unwritten changes beyond which no more are
	// accepted.
	maxPending = 100_000
)

// errBacklog is the error while the disk fails and too many changes are pending.
var errBacklog = fmt.Errorf("%w: the disk accepts no writes", ErrUnavailable)

// writeBehind writes changes in the background, in batches and from one goroutine.
type writeBehind struct {
	write func(changes map[string]*entry) error

	mu           sync.Mutex
	pending      map[string]*entry // nil for a removal
	waiters      []chan error
	failed       bool      // the last write
	writeStarted time.Time // when the running write started, or zero

	dirty  chan struct{} // something is pending
	urgent chan struct{} // a caller waits
	stop   chan struct{}
	done   chan struct{}
	last   error // of the last write, valid after done
}

// newWriteBehind starts a writer; close stops it.
func newWriteBehind(write func(map[string]*entry) error) *writeBehind {
	j := &writeBehind{
		write: write, pending: map[string]*entry{},
		dirty: make(chan struct{}, 1), urgent: make(chan struct{}, 1),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	go j.run()
	return j
}

// add records a change. It replaces a pending change of the same key.
func (j *writeBehind) add(key string, now *entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pending[key] = now
	if len(j.pending) == writeBatch {
		signal(j.urgent)
	} else {
		signal(j.dirty)
	}
}

// flush waits until all recorded changes are on disk, for diskTimeout at most.
func (j *writeBehind) flush(ctx context.Context) error {
	answer, err := j.requestWrite()
	if err != nil {
		return err
	}
	timer := time.NewTimer(diskTimeout)
	defer timer.Stop()
	select {
	case <-timer.C:
		return errDiskTimeout
	case err := <-answer:
		return err
	case <-j.done:
		return errClosed
	case <-ctx.Done():
		return fmt.Errorf("%w: waiting for the disk: %w", ErrUnavailable, context.Cause(ctx))
	}
}

// requestWrite returns a channel for the result of the next write, or
// errDiskTimeout if the current write does not end.
func (j *writeBehind) requestWrite() (<-chan error, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.writeStarted.IsZero() && time.Since(j.writeStarted) >= diskTimeout {
		return nil, errDiskTimeout
	}
	answer := make(chan error, 1)
	j.waiters = append(j.waiters, answer)
	signal(j.urgent)
	return answer, nil
}

// checkBacklog returns errBacklog if too many changes are pending.
func (j *writeBehind) checkBacklog() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.pending) >= maxPending {
		return errBacklog
	}
	return nil
}

// failing reports whether the last write failed, so that its changes are pending.
func (j *writeBehind) failing() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failed
}

// close writes pending changes and stops the goroutine. If the disk does not
// respond, it returns errDiskTimeout, and the goroutine ends later.
func (j *writeBehind) close() error {
	close(j.stop)
	timer := time.NewTimer(diskTimeout)
	defer timer.Stop()
	select {
	case <-j.done:
		return j.last
	case <-timer.C:
		return errDiskTimeout
	}
}

// run writes at once if a caller waits, and else writeDelay after the first change.
func (j *writeBehind) run() {
	defer close(j.done)
	var later <-chan time.Time
	for {
		select {
		case <-j.dirty:
			if later == nil {
				later = time.After(writeDelay)
			}
			continue
		case <-later:
		case <-j.urgent:
		case <-j.stop:
			j.last = j.commit()
			return
		}
		later = nil
		_ = j.commit() // waiting callers get the error; other changes stay pending
	}
}

// commit writes all pending changes and answers the waiting callers.
func (j *writeBehind) commit() error {
	j.mu.Lock()
	changes, waiting := j.pending, j.waiters
	j.pending, j.waiters, j.writeStarted = map[string]*entry{}, nil, time.Now()
	j.mu.Unlock()
	var err error
	if len(changes) > 0 {
		if err = j.write(changes); err != nil {
			err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	j.finishWrite(changes, err)
	for _, answer := range waiting {
		answer <- err
	}
	return err
}

// finishWrite records the result of a write. After a failure, its changes are
// pending again unless they changed since.
func (j *writeBehind) finishWrite(changes map[string]*entry, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.writeStarted = time.Time{}
	if len(changes) == 0 {
		return
	}
	if j.failed = err != nil; !j.failed {
		return
	}
	for key, e := range changes {
		if _, newer := j.pending[key]; !newer {
			j.pending[key] = e
		}
	}
	signal(j.dirty)
}

// signal makes a channel with a buffer of one ready.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
