package fairqueue

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func addr(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 7}) }

// TestS28QueueTakesTurns: a flood from one network, in whichever addresses of it,
// delays a caller of another one by one turn.
func TestS28QueueTakesTurns(t *testing.T) {
	for _, flood := range []func(i int) netip.Addr{
		func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) },
		func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::%x", i, i)) },
		func(i int) netip.Addr { return netip.Addr{} },
	} {
		synctest.Test(t, func(t *testing.T) {
			q := New(1, 1000, time.Hour)
			if err := q.Acquire(t.Context(), flood(0)); err != nil {
				t.Fatal(err)
			}
			var order []string
			enter := func(name string, from netip.Addr) {
				go func() {
					if err := q.Acquire(t.Context(), from); err == nil {
						order = append(order, name)
						q.Release()
					}
				}()
				synctest.Wait()
			}
			for i := range 100 {
				enter("flood", flood(i))
			}
			enter("other", netip.MustParseAddr("203.0.113.5"))
			q.Release()
			synctest.Wait()
			if len(order) != 101 || order[1] != "other" {
				t.Errorf("order %v", order)
			}
		})
	}
}

// TestQueueBounded: where there is no room, the network with the most callers
// gives it up; who waits in vain is told so in time.
func TestQueueBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(1, 10, time.Second)
		if err := q.Acquire(t.Context(), addr(1)); err != nil {
			t.Fatal(err)
		}
		var refused, waited atomic.Int64
		start := time.Now()
		enter := func(from netip.Addr) {
			go func() {
				if err := q.Acquire(t.Context(), from); !errors.Is(err, ErrBusy) {
					t.Error(err)
				}
				if time.Since(start) == 0 {
					refused.Add(1)
				} else {
					waited.Add(1)
				}
			}()
			synctest.Wait()
		}
		for range 30 {
			enter(addr(1))
		}
		for i := range 4 {
			enter(addr(100 + i*256))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if refused.Load() != 24 || waited.Load() != 10 {
			t.Errorf("%d refused at once, %d after a second", refused.Load(), waited.Load())
		}
		q.Release()
		if err := q.Acquire(t.Context(), addr(1)); err != nil || !empty(q) {
			t.Errorf("%v; %d still wait", err, q.ordinary.waiting)
		}
	})
}

// TestQueueGone: a caller who hangs up leaves the queue, with or without a slot.
func TestQueueGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(1, 10, time.Hour)
		if err := q.Acquire(t.Context(), addr(1)); err != nil {
			t.Fatal(err)
		}
		ctx, hangUp := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- q.Acquire(ctx, addr(2)) }()
		synctest.Wait()
		hangUp()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		q.Release()
		if err := q.Acquire(t.Context(), addr(3)); err != nil {
			t.Error(err)
		}
	})
}

// TestQueueConcurrent: never more than there are slots, and no slot is lost.
func TestQueueConcurrent(t *testing.T) {
	q := New(3, 20, 5*time.Millisecond)
	var inside, entered atomic.Int64
	var callers sync.WaitGroup
	for i := range 64 {
		callers.Go(func() {
			for range 50 {
				ctx, release := context.WithTimeout(context.Background(), time.Duration(i%7)*time.Millisecond)
				if q.Acquire(ctx, addr(i*100)) == nil {
					if inside.Add(1) > 3 {
						t.Error("more than three at once")
					}
					entered.Add(1)
					time.Sleep(100 * time.Microsecond)
					inside.Add(-1)
					q.Release()
				}
				release()
			}
		})
	}
	callers.Wait()
	if q.taken != 0 || !empty(q) || entered.Load() == 0 {
		t.Errorf("%d taken, %d waiting, %d entered", q.taken, q.ordinary.waiting, entered.Load())
	}
}

func BenchmarkQueue(b *testing.B) {
	q := New(4, 10, time.Second)
	b.ReportAllocs()
	for b.Loop() {
		if q.Acquire(context.Background(), netip.Addr{}) == nil {
			q.Release()
		}
	}
}

// empty reports whether nothing is kept of callers who waited.
func empty(q *Queue) bool {
	for _, lane := range []*network{&q.ordinary, &q.reserved} {
		if lane.waiting != 0 || len(lane.children) != 0 || len(lane.order) != 0 || len(lane.waiters) != 0 {
			return false
		}
	}
	return true
}

// TestS28TryEnter: who does not wait gets a free slot or none, and gives it back like
// any other.
func TestS28TryEnter(t *testing.T) {
	q := New(2, 10, time.Hour)
	for i, want := range []bool{true, true, false} {
		if got := q.TryAcquire(); got != want {
			t.Errorf("try %d of two slots: %t", i+1, got)
		}
	}
	q.Release()
	if !q.TryAcquire() {
		t.Error("the slot that was given back is not free")
	}
}
