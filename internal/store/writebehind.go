package store

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// writeDelay is how long changes that no caller waits for are gathered before
	// they are written together. A touch of every session at every request is
	// one write in that time.
	writeDelay = 5 * time.Second
	// writeBatch is the number of gathered changes that are written at once.
	writeBatch = 10_000
	// maxPending is the number of changes after which a disk that takes none
	// stops the taking of more.
	maxPending = 100_000
)

// errBacklog is the answer while the disk takes nothing and much is waiting.
var errBacklog = fmt.Errorf("%w: the disk accepts no writes", ErrUnavailable)

// writeBehind writes changes behind, several at once, from a single goroutine.
type writeBehind struct {
	write func(changes map[string]*entry) error

	mu           sync.Mutex
	pending      map[string]*entry // nil for a removal
	waiters      []chan error
	failed       bool      // the last write
	writeStarted time.Time // when the write that goes on began, or zero

	dirty  chan struct{} // something is pending
	urgent chan struct{} // a caller waits
	stop   chan struct{}
	done   chan struct{}
	last   error // of the last write, valid after done
}

// newWriteBehind starts a journal; close ends it.
func newWriteBehind(write func(map[string]*entry) error) *writeBehind {
	j := &writeBehind{
		write: write, pending: map[string]*entry{},
		dirty: make(chan struct{}, 1), urgent: make(chan struct{}, 1),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	go j.run()
	return j
}

// add records a change, to be written with the next ones. The change that was
// pending for the key is forgotten: touches coalesce.
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

// flush waits until everything noted so far is on disk, for diskPatience at most.
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

// requestWrite returns where the next write is answered, or errStuck if one does not end.
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

// checkBacklog says whether more may be noted.
func (j *writeBehind) checkBacklog() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.pending) >= maxPending {
		return errBacklog
	}
	return nil
}

// failing says whether the last write failed, so that what it held is pending.
func (j *writeBehind) failing() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failed
}

// close writes what is pending and ends the goroutine. A disk that does not answer
// is not waited for: then the goroutine ends when it does, and errStuck is returned.
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

// run writes when a caller waits, and else a while after the first change.
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
		_ = j.commit() // those who wait are told; the others' changes stay pending
	}
}

// commit writes all pending changes and answers those who wait.
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

// finishWrite remembers how a write went. What was not written is pending again,
// except where it has changed since.
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

// signal makes a channel of one ready; it is ready at most once.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
