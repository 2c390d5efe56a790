package users

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

var (
	home   = netip.MustParseAddr("192.0.2.1")
	office = netip.MustParseAddr("198.51.100.1")
)

// who is the account of a name.
func who(name string) account { return account{name, "hash"} }

// TestUnknownClient: R-BA-9. Clients whose address is not known, as behind a Unix
// socket, have counts of their own: failures count once, and a success of one of
// them does not clear what others did to the user's name.
func TestUnknownClient(t *testing.T) {
	throttle := NewThrottle(2, time.Minute, newClock().now)
	throttle.Fail("alice", netip.Addr{})
	if throttle.Wait(who("alice"), netip.Addr{}) != 0 || throttle.Wait(who("alice"), home) != 0 {
		t.Error("one failure counts twice")
	}
	throttle.Fail("alice", office)
	throttle.Succeed(context.Background(), who("alice"), netip.Addr{})
	if throttle.Wait(who("alice"), home) == 0 {
		t.Error("a success without an address cleared the user's count")
	}
}

// TestWindow: R-BA-9. The window slides, and Retry-After is when the next try
// counts: not earlier, and not later.
func TestWindow(t *testing.T) {
	c := newClock()
	throttle := NewThrottle(3, time.Minute, c.now)
	for range 3 { // at 0, 10 and 20 seconds
		if wait := throttle.Wait(who("alice"), home); wait != 0 {
			t.Fatalf("wait %s", wait)
		}
		throttle.Fail("alice", home)
		c.pass(10 * time.Second)
	}
	steps := []struct{ pass, want time.Duration }{
		{0, 30 * time.Second},
		{30*time.Second - 1, 1},
		{1, 0},
	}
	for i, step := range steps {
		c.pass(step.pass)
		if got := throttle.Wait(who("alice"), home); got != step.want {
			t.Errorf("step %d: wait %s, want %s", i, got, step.want)
		}
	}
	throttle.Fail("alice", home) // at 60: now 10, 20 and 60 seconds count
	if got := throttle.Wait(who("alice"), home); got != 10*time.Second {
		t.Errorf("wait %s", got)
	}
}

// TestSubjects: R-BA-9. By the pair, by the user, by the network, and who is
// spared from which.
func TestSubjects(t *testing.T) {
	type step struct {
		user   string
		client netip.Addr
		n      int
	}
	elsewhere := netip.MustParseAddr("203.0.113.9")
	many := func(n int) (steps []step) {
		for i := range n {
			steps = append(steps, step{fmt.Sprint("name", i), office, 1})
		}
		return steps
	}
	tests := []struct {
		name    string
		succeed []step
		fail    []step
		user    string
		client  netip.Addr
		slow    bool
	}{
		{"nothing happened", nil, nil, "alice", home, false},
		{"one less than the limit", nil, []step{{"alice", home, 2}}, "alice", home, false},
		{"the pair", nil, []step{{"alice", home, 3}}, "alice", home, true},
		{"the user, from elsewhere", nil, []step{{"alice", home, 3}}, "alice", office, true},
		{"the user, spread over networks", nil, []step{{"alice", home, 1}, {"alice", office, 1}, {"alice", elsewhere, 1}}, "alice", elsewhere, true},
		{"somebody else from there", nil, []step{{"alice", home, 3}}, "bob", home, false},
		{"somebody else, elsewhere", nil, []step{{"alice", home, 3}}, "bob", office, false},
		{"where the user signs in from", []step{{"alice", office, 1}}, []step{{"alice", home, 9}}, "alice", office, false},
		{"where only another user signs in from", []step{{"bob", office, 1}}, []step{{"alice", home, 9}}, "alice", office, true},
		{"guesses from where the user signs in", []step{{"alice", office, 1}}, []step{{"alice", office, 3}}, "alice", office, true},
		{"many names, one less than the network's limit", nil, many(29), "alice", office, false},
		{"many names", nil, many(30), "alice", office, true},
		{"many names, from where the user signs in", []step{{"alice", office, 1}}, many(30), "alice", office, false},
		{"many names, seen from elsewhere", nil, many(30), "alice", home, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			throttle := NewThrottle(3, time.Minute, newClock().now)
			for _, s := range test.succeed {
				throttle.Succeed(context.Background(), who(s.user), s.client)
			}
			for _, s := range test.fail {
				for range s.n {
					throttle.Fail(s.user, s.client)
				}
			}
			if wait := throttle.Wait(who(test.user), test.client); (wait > 0) != test.slow || wait > time.Minute {
				t.Errorf("wait %s", wait)
			}
		})
	}
}

// TestTrust: R-BA-9. A network is trusted for a day, and a success clears the
// user's failures from there and nobody else's.
func TestTrust(t *testing.T) {
	c := newClock()
	throttle := NewThrottle(2, 48*time.Hour, c.now)
	throttle.Fail("alice", home)
	throttle.Succeed(context.Background(), who("alice"), home)
	throttle.Fail("alice", home)
	if throttle.Wait(who("alice"), home) != 0 {
		t.Error("the success did not clear the failures from there")
	}
	if throttle.Wait(who("alice"), office) == 0 {
		t.Error("the success cleared all failures of the name")
	}
	c.pass(trustedTime - time.Second)
	if throttle.Wait(who("alice"), home) != 0 {
		t.Error("trust ended early")
	}
	c.pass(time.Second)
	if throttle.Wait(who("alice"), home) == 0 {
		t.Error("trust did not end")
	}
}

// TestNoThrottle: no throttle slows nobody down, and a limit below one does not
// panic.
func TestNoThrottle(t *testing.T) {
	var none *Throttle
	for range 100 {
		none.Fail("alice", home)
	}
	none.Succeed(context.Background(), who("alice"), home)
	if none.Wait(who("alice"), home) != 0 {
		t.Error("it slows down")
	}
	for _, limit := range []int{0, -1} {
		strict := NewThrottle(limit, time.Minute, nil)
		if strict.Wait(who("alice"), home) != 0 {
			t.Error("slow before any failure")
		}
		strict.Fail("alice", home)
		if strict.Wait(who("alice"), home) == 0 {
			t.Errorf("limit %d slows nobody down", limit)
		}
	}
}

// TestThrottleMemory: R-BA-9. Neither many failures of one nor failures of many
// take memory without bound.
func TestThrottleMemory(t *testing.T) {
	throttle := NewThrottle(2, time.Hour, nil)
	for range 1000 {
		throttle.Fail("alice", home)
	}
	f, ok := throttle.failures.GetIfPresent(counterKey{user: "alice"})
	if !ok || len(f.times) != 2*networkFactor || cap(f.times) > 8*networkFactor {
		t.Errorf("%d times are kept, in room for %d", len(f.times), cap(f.times))
	}
	for i := range maxCounters/2 + 1000 { // two counters each, and the network's
		throttle.Fail(fmt.Sprint(i), home)
	}
	throttle.failures.CleanUp()
	if size := throttle.failures.EstimatedSize(); size > maxCounters {
		t.Errorf("%d counters", size)
	}
}

// TestThrottleConcurrent: failures at once are all counted; run with -race.
func TestThrottleConcurrent(t *testing.T) {
	throttle := NewThrottle(100, time.Hour, nil)
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			for range 10 {
				throttle.Wait(who("alice"), home)
				throttle.Fail("alice", home)
			}
		})
	}
	group.Go(func() { throttle.Succeed(context.Background(), who("bob"), home) })
	group.Wait()
	if throttle.Wait(who("alice"), office) == 0 {
		t.Error("failures were lost")
	}
}

// model is the throttle as the requirement describes it, by looking at everything that
// ever happened.
type model struct {
	limit    int
	window   time.Duration
	now      time.Time
	failures []event
	success  map[event]time.Time // without its time: the last one
}

type event struct {
	user   string
	client netip.Addr
	at     time.Time
}

// wait returns how long until fewer than limit of the failures are in the window.
func (m *model) wait(limit int, counts func(event) bool) time.Duration {
	var times []time.Time
	for _, failure := range m.failures {
		if counts(failure) {
			times = append(times, failure.at)
		}
	}
	slices.Reverse(times)
	if len(times) < limit {
		return 0
	}
	return max(0, m.window-m.now.Sub(times[limit-1]))
}

func (m *model) Wait(user string, client netip.Addr) time.Duration {
	pair := event{user: user, client: client}
	last, trusted := m.success[pair]
	wait := m.wait(m.limit, func(e event) bool {
		return e.user == user && e.client == client && e.at.After(last)
	})
	if trusted && m.now.Sub(last) < 24*time.Hour {
		return wait
	}
	return max(wait, m.wait(m.limit, func(e event) bool { return e.user == user }),
		m.wait(m.limit*10, func(e event) bool { return e.client == client }))
}

// FuzzThrottle: R-BA-9. Whatever happens in whatever order, the throttle says
// what looking at everything would say.
func FuzzThrottle(f *testing.F) {
	f.Add(byte(2), []byte{0, 0, 0, 2, 0x82, 1, 2, 0xff, 2})
	f.Add(byte(1), []byte("\x00\x04\x08\x0c\x10\x14\x18\x1c\x02\x06\x0a\x0e"))
	f.Add(byte(3), []byte{1, 0, 0, 0, 2, 16, 16, 16, 18, 1, 2})
	f.Fuzz(func(t *testing.T, limit byte, steps []byte) {
		if len(steps) > 500 {
			steps = steps[:500]
		}
		c := newClock()
		m := &model{limit: int(limit%4) + 1, window: time.Hour, now: c.now(), success: map[event]time.Time{}}
		throttle := NewThrottle(m.limit, m.window, c.now)
		for i, step := range steps {
			c.pass(1) // nothing happens at the same time
			c.pass(time.Duration(step>>6) * 20 * time.Minute)
			m.now = c.now()
			user := fmt.Sprint("user", step>>2&3)
			client := netip.AddrFrom4([4]byte{192, 0, 2, step >> 4 & 3})
			switch step & 3 {
			case 0:
				throttle.Fail(user, client)
				m.failures = append(m.failures, event{user, client, m.now})
			case 1:
				throttle.Succeed(context.Background(), who(user), client)
				m.success[event{user: user, client: client}] = m.now
			}
			if got, want := throttle.Wait(who(user), client), m.Wait(user, client); got != want {
				t.Fatalf("step %d: wait %s, want %s", i, got, want)
			}
		}
	})
}

func BenchmarkThrottleWait(b *testing.B) {
	throttle := NewThrottle(10, time.Minute, nil)
	throttle.Fail("alice", home)
	throttle.Succeed(context.Background(), who("alice"), office)
	b.ReportAllocs()
	for b.Loop() {
		if throttle.Wait(who("alice"), home) != 0 {
			b.Fatal("slow")
		}
	}
}

func BenchmarkThrottleFail(b *testing.B) {
	throttle := NewThrottle(10, time.Minute, nil)
	b.ReportAllocs()
	for b.Loop() {
		throttle.Fail("alice", home)
	}
}

// TestSucceedAllocations: whoever signs in with each request changes nothing.
func TestSucceedAllocations(t *testing.T) {
	throttle := NewThrottle(10, time.Minute, nil)
	if got := testing.AllocsPerRun(100, func() { throttle.Succeed(context.Background(), who("alice"), home) }); got > 0 {
		t.Errorf("%v allocations", got)
	}
}
