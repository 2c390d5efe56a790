// Package fairqueue bounds how many callers do expensive work at once. The others
// wait: in turn by the network they come from, so that a flood from a few
// networks delays the callers of others by a few turns and no more.
package fairqueue

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"
)

// ErrBusy says that a caller got no slot in time, or that too many are waiting.
var ErrBusy = errors.New("too much is going on at once")

// Queue has a number of slots and a bounded number of callers who wait for one. It
// is safe for concurrent use.
type Queue struct {
	slots, room int
	patience    time.Duration

	mu      sync.Mutex
	taken   int
	waiting int
	lines   map[netip.Prefix]*line
	turns   []*line // networks with callers who wait, the next one first
}

// line is the callers of one network who wait, the first one first.
type line struct {
	network netip.Prefix
	waiters []*waiter
}

// waiter is a caller who waits. Its channel says true once it has a slot, and
// false if it has to leave for callers of other networks.
type waiter struct{ admitted chan bool }

// New returns a queue with a number of slots, in which at most room callers wait,
// each no longer than patience.
func New(slots, room int, patience time.Duration) *Queue {
	return &Queue{slots: slots, room: room, patience: patience, lines: map[netip.Prefix]*line{}}
}

// Enter waits for a slot, which Leave gives back. It returns ErrBusy if there is
// none in time, or the context's error if that is done before.
func (q *Queue) Enter(ctx context.Context, client netip.Addr) error {
	q.mu.Lock()
	if q.taken < q.slots {
		q.taken++
		q.mu.Unlock()
		return nil
	}
	w, network := &waiter{make(chan bool, 1)}, networkOf(client)
	q.add(network, w)
	q.mu.Unlock()
	timer := time.NewTimer(q.patience)
	defer timer.Stop()
	select {
	case admitted := <-w.admitted:
		if !admitted {
			return ErrBusy
		}
		return nil
	case <-ctx.Done():
		return q.giveUp(network, w, ctx.Err())
	case <-timer.C:
		return q.giveUp(network, w, ErrBusy)
	}
}

// Leave gives a slot back, to the caller whose turn it is.
func (q *Queue) Leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.turns) == 0 {
		q.taken--
		return
	}
	next := q.turns[0]
	w := next.waiters[0]
	next.waiters = next.waiters[1:]
	q.waiting--
	q.turns = q.turns[1:]
	if len(next.waiters) > 0 {
		q.turns = append(q.turns, next)
	} else {
		delete(q.lines, next.network)
	}
	w.admitted <- true
}

// add puts a caller at the end of its network's line. Where there is no room, the
// last one of the longest line has to leave.
func (q *Queue) add(network netip.Prefix, w *waiter) {
	at := q.lines[network]
	if at == nil {
		at = &line{network: network}
		q.lines[network] = at
		q.turns = append(q.turns, at)
	}
	at.waiters = append(at.waiters, w)
	q.waiting++
	if q.waiting <= q.room {
		return
	}
	longest := at
	for _, other := range q.turns {
		if len(other.waiters) > len(longest.waiters) {
			longest = other
		}
	}
	last := longest.waiters[len(longest.waiters)-1]
	q.remove(longest, len(longest.waiters)-1)
	last.admitted <- false
}

// giveUp takes a caller out who waits no longer. One that has got a slot
// meanwhile hands it on.
func (q *Queue) giveUp(network netip.Prefix, w *waiter, reason error) error {
	q.mu.Lock()
	if at := q.lines[network]; at != nil {
		for i, other := range at.waiters {
			if other == w {
				q.remove(at, i)
				q.mu.Unlock()
				return reason
			}
		}
	}
	q.mu.Unlock()
	if <-w.admitted {
		q.Leave()
	}
	return reason
}

// remove takes a caller out of its line.
func (q *Queue) remove(from *line, i int) {
	from.waiters = append(from.waiters[:i], from.waiters[i+1:]...)
	q.waiting--
	if len(from.waiters) > 0 {
		return
	}
	delete(q.lines, from.network)
	for j, other := range q.turns {
		if other == from {
			q.turns = append(q.turns[:j], q.turns[j+1:]...)
			return
		}
	}
}

// networkOf returns the network that a client shares its turns with: as much of
// its address as one customer of a provider has at most.
func networkOf(client netip.Addr) netip.Prefix {
	client = client.Unmap().WithZone("")
	bits := 48
	if client.Is4() {
		bits = 24
	}
	prefix, err := client.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
