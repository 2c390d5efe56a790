package fairqueue

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// full returns a queue whose slot is taken.
func full(t *testing.T, room int) *Queue {
	t.Helper()
	q := New(1, room, 0)
	if err := q.Acquire(t.Context(), netip.Addr{}); err != nil {
		t.Fatal(err)
	}
	return q
}

// crowd is callers who wait, and what became of them.
type crowd struct {
	t       *testing.T
	q       *Queue
	refused atomic.Int64
	order   []string
}

// enter has one more wait.
func (c *crowd) enter(name, from string, reserved bool) {
	enter := c.q.Acquire
	if reserved {
		enter = c.q.AcquireReserved
	}
	go func() {
		switch err := enter(c.t.Context(), netip.MustParseAddr(from)); {
		case errors.Is(err, ErrBusy):
			c.refused.Add(1)
			if name != "flood" {
				c.t.Errorf("%s from %s was refused", name, from)
			}
		case err == nil:
			c.order = append(c.order, name)
			c.q.Release()
		}
	}()
	synctest.Wait()
}

// turn returns how many were served until a caller was.
func (c *crowd) turn(name string) int {
	for i, other := range c.order {
		if other == name {
			return i + 1
		}
	}
	return 0
}

// TestS28FewNetworksRefuseNoOther: whatever 31 networks send, of whichever width
// they are and also beside the caller's own in a wider one, as many callers of
// another one as a 32nd of the room wait and are served.
func TestS28FewNetworksRefuseNoOther(t *testing.T) {
	tests := []struct {
		name, victim string
		flood        func(network, i int) string
	}{
		{"addresses of one /24", "192.0.2.200", func(n, _ int) string { return fmt.Sprintf("192.0.2.%d", n) }},
		{"/24s", "203.0.113.5", func(n, i int) string { return fmt.Sprintf("10.0.%d.%d", n, i%256) }},
		{"/64s of one /56", "2001:db8:1:1ff::1", func(n, i int) string { return fmt.Sprintf("2001:db8:1:1%02x::%x", n, i) }},
		{"/56s of one /48", "2001:db8:1:ff00::1", func(n, i int) string { return fmt.Sprintf("2001:db8:1:%02x%02x::1", n, i%256) }},
		{"/48s", "2001:db8:ffff::1", func(n, i int) string { return fmt.Sprintf("2001:db8:%x:%x::1", n, i) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &crowd{t: t, q: full(t, 64)}
				flood := func(from, to int) {
					for i := from; i < to; i++ {
						c.enter("flood", test.flood(i%31, i/31), false)
					}
				}
				flood(0, 300)
				c.enter("first", test.victim, false)
				c.enter("second", test.victim, false)
				flood(300, 600)
				c.q.Release()
				synctest.Wait()
				if first, second := c.turn("first"), c.turn("second"); first == 0 || first > 33 || second == 0 || c.refused.Load() != 600+2-64 {
					t.Errorf("served after %d and %d turns; %d refused", first, second, c.refused.Load())
				}
				if !empty(c.q) || c.q.taken != 0 {
					t.Error("something is left")
				}
			})
		})
	}
}

// TestS28ReservedRoom: those with reserved room get every other slot and are never
// displaced by the rest, from however many networks these come; nor are the rest
// by them.
func TestS28ReservedRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{t: t, q: full(t, 50)}
		for i := range 300 {
			c.enter("flood", addr(i).String(), false)
		}
		c.enter("known", "192.0.2.1", true)
		c.enter("known too", "192.0.2.1", true)
		for i := range 300 {
			c.enter("flood", addr(1000+i).String(), false)
		}
		c.q.Release()
		synctest.Wait()
		if one, two := c.turn("known"), c.turn("known too"); one != 1 || two != 3 || c.refused.Load() != 550 || len(c.order) != 52 {
			t.Errorf("turns %d and %d of %d, %d refused", one, two, len(c.order), c.refused.Load())
		}
	})
}

// TestReservedBounded: reserved room is bounded, too, and fair by network.
func TestReservedBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{t: t, q: full(t, 8)}
		for range 20 {
			c.enter("flood", "192.0.2.1", true)
		}
		c.enter("other", "198.51.100.1", true)
		if c.refused.Load() != 13 || c.q.reserved.waiting != 8 {
			t.Errorf("%d refused, %d wait", c.refused.Load(), c.q.reserved.waiting)
		}
		c.q.Release()
		synctest.Wait()
		if got := c.turn("other"); got == 0 || got > 2 {
			t.Errorf("turn %d", got)
		}
	})
}

// TestS28PanicLeavesNothingHeld: work that panics gives its slot back, if it is
// left by defer, and no lock stays held.
func TestS28PanicLeavesNothingHeld(t *testing.T) {
	q := New(2, 1, 0)
	for range 5 {
		func() {
			defer func() { _ = recover() }()
			if err := q.Acquire(context.Background(), netip.Addr{}); err != nil {
				t.Error(err)
			}
			defer q.Release()
			panic("the work fails")
		}()
	}
	if q.taken != 0 || !q.mu.TryLock() {
		t.Errorf("%d slots taken", q.taken)
	}
}
