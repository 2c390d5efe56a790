// Package fairqueue bounds how many callers do expensive work at once. The others
// wait: in turn by the network they come from, so that a flood from a few
// networks delays the callers of others by a few turns and no more. Where there is
// no room, the network with the most callers gives it up: a caller of a network
// with no more than a 32nd of the room waiting is never refused for a flood from
// fewer than 32 others.
package fairqueue

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/netutil"
)

// RetryAfter is when a caller who was refused may try again.
const RetryAfter = 2 * time.Second

// ErrBusy says that a caller got no slot in time, or that too many are waiting.
var ErrBusy = errors.New("too many callers are waiting")

// Queue has a number of slots and bounded numbers of callers who wait for one. It
// is safe for concurrent use.
type Queue struct {
	slots, maxWaiting int
	timeout           time.Duration

	mu             sync.Mutex
	taken          int
	ordinary       network // the callers who wait
	reserved       network // those with room of their own
	servedReserved bool    // the last slot went to one of reserved
}

// New returns a queue with a number of slots, in which at most room callers wait,
// and as many reserved ones, each no longer than patience; patience 0 has no end.
func New(slots, room int, patience time.Duration) *Queue {
	return &Queue{slots: slots, maxWaiting: room, timeout: patience}
}

// Acquire waits for a slot, which Leave gives back. It returns ErrBusy if there is
// none in time, or the context's error if that is done before.
func (q *Queue) Acquire(ctx context.Context, client netip.Addr) error {
	return q.acquire(ctx, client, &q.ordinary)
}

// AcquireReserved does the same in a lane of its own, which gets every other slot:
// neither its room nor its turns are taken by those who Enter.
func (q *Queue) AcquireReserved(ctx context.Context, client netip.Addr) error {
	return q.acquire(ctx, client, &q.reserved)
}

// TryAcquire takes a slot if one is free, without waiting, and reports whether it did.
func (q *Queue) TryAcquire() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.taken >= q.slots {
		return false
	}
	q.taken++
	return true
}

func (q *Queue) acquire(ctx context.Context, client netip.Addr, lane *network) error {
	w := q.enqueue(client, lane)
	if w == nil {
		return nil
	}
	var over <-chan time.Time
	if q.timeout > 0 {
		timer := time.NewTimer(q.timeout)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case admitted := <-w.admitted:
		if !admitted {
			return ErrBusy
		}
		return nil
	case <-ctx.Done():
		return q.cancel(w, ctx.Err())
	case <-over:
		return q.cancel(w, ErrBusy)
	}
}

// enqueue takes a slot and returns nil, or puts a caller into a lane. One too many
// there is refused.
func (q *Queue) enqueue(client netip.Addr, lane *network) *waiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.taken < q.slots {
		q.taken++
		return nil
	}
	w := &waiter{admitted: make(chan bool, 1)}
	lane.add(netutil.Networks(client), w)
	if lane.waiting > q.maxWaiting {
		lane.evict().admitted <- false
	}
	return w
}

// Release gives a slot back, to the caller whose turn it is.
func (q *Queue) Release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	lane := &q.ordinary
	if q.reserved.waiting > 0 && (!q.servedReserved || q.ordinary.waiting == 0) {
		lane = &q.reserved
	}
	if lane.waiting == 0 {
		q.taken--
		return
	}
	q.servedReserved = lane == &q.reserved
	lane.next().admitted <- true
}

// Waiting returns how many callers wait, and how many with room of their own.
func (q *Queue) Waiting() (ordinary, reserved int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ordinary.waiting, q.reserved.waiting
}

// cancel takes a caller out who waits no longer. One that has got a slot
// meanwhile hands it on.
func (q *Queue) cancel(w *waiter, reason error) error {
	if q.dequeue(w) {
		return reason
	}
	if <-w.admitted {
		q.Release()
	}
	return reason
}

// dequeue reports whether a caller was waiting until now.
func (q *Queue) dequeue(w *waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.network == nil {
		return false
	}
	w.remove()
	return true
}
