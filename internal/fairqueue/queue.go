// Package fairqueue limits how many callers do expensive work at once. The others wait
// and take turns by their networks, so that a flood from a few networks delays callers
// from others by a few turns only. If the queue is full, a caller of the network with
// the most waiting callers is rejected: a network with at most a 32nd of the waiting
// callers loses none of them to a flood from fewer than 32 other networks.
package fairqueue

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/netutil"
)

// RetryAfter is how long a rejected caller should wait.
const RetryAfter = 2 * time.Second

// ErrBusy is the error of a caller that got no slot in time, or for which the queue
// had no room.
var ErrBusy = errors.New("too many callers are waiting")

// Queue limits how many callers hold a slot. The others wait. It is safe for
// concurrent use.
type Queue struct {
	slots, maxWaiting int
	timeout           time.Duration

	mu             sync.Mutex
	taken          int
	ordinary       network // the lane of Acquire
	reserved       network // the lane of AcquireReserved
	servedReserved bool    // the last slot went to the reserved lane
}

// New returns a queue with a number of slots, in which at most maxWaiting callers
// wait, and as many in the reserved lane, each for at most timeout; 0 means no
// timeout.
func New(slots, room int, patience time.Duration) *Queue {
	return &Queue{slots: slots, maxWaiting: room, timeout: patience}
}

// Acquire waits for a slot, which Release returns. Its error is ErrBusy, or that of
// the context.
func (q *Queue) Acquire(ctx context.Context, client netip.Addr) error {
	return q.acquire(ctx, client, &q.ordinary)
}

// AcquireReserved is Acquire in the reserved lane, which has its own room and gets
// every other slot.
func (q *Queue) AcquireReserved(ctx context.Context, client netip.Addr) error {
	return q.acquire(ctx, client, &q.reserved)
}

// TryAcquire takes a slot if one is free, without waiting, and reports whether it
// did.
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

// enqueue takes a free slot and returns nil, or adds a waiter to a lane. If the
// lane is full, it rejects the last caller of the largest network.
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

// Release returns a slot and gives it to the next caller.
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

// Waiting returns the numbers of waiting callers in both lanes.
func (q *Queue) Waiting() (ordinary, reserved int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ordinary.waiting, q.reserved.waiting
}

// cancel removes a waiter and returns the reason. If it got a slot meanwhile, it
// releases the slot.
func (q *Queue) cancel(w *waiter, reason error) error {
	if q.dequeue(w) {
		return reason
	}
	if <-w.admitted {
		q.Release()
	}
	return reason
}

// dequeue removes a waiter, and reports whether it was still waiting.
func (q *Queue) dequeue(w *waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.network == nil {
		return false
	}
	w.remove()
	return true
}
