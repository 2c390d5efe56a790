package decisioncache

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"go.uber.org/goleak"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testSize is the size of the caches of tests.
const testSize = 16 << 20

var (
	allowed = decision.Decode(ast.Boolean(true))
	denied  = decision.Decode(ast.Boolean(false))
	key     = []byte("key")
)

// never is the function of a hit that is not evaluated again.
func never(t *testing.T) func() (decision.Decision, time.Duration) {
	return func() (decision.Decision, time.Duration) {
		t.Error("the decision is evaluated again")
		return decision.Decision{}, 0
	}
}

// again is the function of a hit that may be evaluated again.
func again(d decision.Decision, took time.Duration) func() (decision.Decision, time.Duration) {
	return func() (decision.Decision, time.Duration) { return d, took }
}

// TestCachePut: R-CACHE-6. A decision is cached for its whole key, and not if it failed,
// is too large or has expired.
func TestCachePut(t *testing.T) {
	seconds := func(n int) *time.Duration { d := time.Duration(n) * time.Second; return &d }
	withTTL := func(ttl *time.Duration) decision.Decision { d := allowed; d.TTL = ttl; return d }
	tests := []struct {
		name    string
		key     []byte
		put     decision.Decision
		expires int64
		want    bool
	}{
		{"an allow", key, allowed, 0, true},
		{"a denial", key, denied, 0, true},
		{"one that failed", key, decision.Failed(fmt.Errorf("x")), 0, false},
		{"one with a time limit", key, withTTL(seconds(1)), 0, true},
		{"one with no time", key, withTTL(seconds(0)), 0, false},
		{"an expired credential", key, allowed, 1, false},
		{"the longest key", make([]byte, MaxKey), allowed, 0, true},
		{"a longer key", make([]byte, MaxKey+1), allowed, 0, false},
		{"a large value", key, decision.Decode(ast.NewObject(ast.Item(ast.StringTerm("allow"), ast.InternedTerm(true)), ast.Item(ast.StringTerm("message"), ast.StringTerm(strings.Repeat("a", maxValue))))), 0, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := New(testSize, func() {})
			id := authenticator.Anonymous()
			if test.expires != 0 {
				id = &authenticator.Identity{ExpiresAt: test.expires}
			}
			c.Put(test.key, test.put, id)
			got, ok := c.Get(test.key, never(t))
			if ok != test.want || ok && !got.Equal(test.put) {
				t.Errorf("got %t, %+v", ok, got)
			}
			if _, ok := c.Get(append(slices.Clip(test.key), 0), never(t)); ok {
				t.Error("another key has the decision as well")
			}
		})
	}
}

// TestCacheExpiry: a decision is cached until the caller's credential expires or the
// time that the policy allows is over, whichever is first.
func TestCacheExpiry(t *testing.T) {
	for _, test := range []struct {
		name             string
		credential, rule time.Duration // 0 for none
		want             time.Duration
	}{
		{"the credential", 20 * time.Second, 0, 20 * time.Second},
		{"the policy", 0, 30 * time.Second, 30 * time.Second},
		{"the policy first", 40 * time.Second, 30 * time.Second, 30 * time.Second},
		{"the credential first", 20 * time.Second, 30 * time.Second, 20 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, id, put := New(testSize, func() {}), *authenticator.Anonymous(), allowed
				if test.credential != 0 {
					id.ExpiresAt = time.Now().Add(test.credential).Unix()
				}
				if test.rule != 0 {
					put.TTL = &test.rule
				}
				c.Put(key, put, &id)
				time.Sleep(test.want - 1)
				if _, ok := c.Get(key, never(t)); !ok {
					t.Error("it expires too early")
				}
				time.Sleep(time.Nanosecond)
				if _, ok := c.Get(key, never(t)); ok {
					t.Error("it does not expire")
				}
			})
		})
	}
}

// TestCacheImmutable: T-67. Changing a decision or a key changes nothing in the cache.
func TestCacheImmutable(t *testing.T) {
	c, put, key := New(testSize, func() {}), allowed.Clone(), []byte("key")
	put.Headers = http.Header{"X-A": {"1"}}
	c.Put(key, put, authenticator.Anonymous())
	put.Headers["X-A"][0], key[0] = "changed", 'x'
	for range 2 {
		got, ok := c.Get([]byte("key"), never(t))
		if !ok || got.Headers.Get("X-A") != "1" {
			t.Fatalf("got %t, %+v", ok, got)
		}
		got.Headers.Set("X-A", "changed")
	}
}

// TestCacheDistrust: a cached decision that differs from a new one does not stand, is
// reported once, and ends the use of the cache.
func TestCacheDistrust(t *testing.T) {
	reports := 0
	c := New(testSize, func() { reports++ })
	c.Put(key, allowed, authenticator.Anonymous())
	for i := range verifyEvery {
		if !c.Usable() || c.State() != "on" {
			t.Fatalf("distrusted after %d hits", i)
		}
		got, ok := c.Get(key, again(denied, 0))
		if last := i == verifyEvery-1; !ok || got.Allow == last {
			t.Fatalf("hit %d: %t, %+v", i, ok, got)
		}
	}
	if c.Usable() || c.State() != "distrusted" || reports != 1 {
		t.Errorf("usable: %t, %s, %d reports", c.Usable(), c.State(), reports)
	}
	if _, ok := c.Get(key, never(t)); ok {
		t.Error("the wrong decision is still cached")
	}
}

// TestCacheVerifyFailed: a new decision that failed proves nothing about the cached one.
func TestCacheVerifyFailed(t *testing.T) {
	c := New(testSize, func() { t.Error("distrusted") })
	c.Put(key, allowed, authenticator.Anonymous())
	for range 3 * verifyEvery {
		if got, ok := c.Get(key, again(decision.Failed(fmt.Errorf("gone")), 0)); !ok || !got.Allow {
			t.Fatalf("got %t, %+v", ok, got)
		}
	}
}

// TestCacheVerifyPanics: a new evaluation that panics does not end the verification.
func TestCacheVerifyPanics(t *testing.T) {
	c, evaluated := New(testSize, func() {}), 0
	c.Put(key, allowed, authenticator.Anonymous())
	for range 3 * verifyEvery {
		func() {
			defer func() { _ = recover() }()
			c.Get(key, func() (decision.Decision, time.Duration) { evaluated++; panic("x") })
		}()
	}
	if evaluated != 3 {
		t.Errorf("evaluated %d times", evaluated)
	}
}

// TestCacheVerifyShare: one hit in 1,024 is evaluated again, and less often where that
// would take more than 1 % of the time, also if one hit follows the other.
func TestCacheVerifyShare(t *testing.T) {
	const between, hits = 10 * time.Microsecond, 4_000_000
	for _, test := range []struct {
		name        string
		takes       time.Duration
		least, most int
	}{
		{"what takes no time", 0, hits / 1024, hits / 1024},
		{"what is fast", 50 * time.Microsecond, hits / 1024, hits / 1024},
		{"what is slow", 10 * time.Millisecond, 35, 45},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, evaluated, start := New(testSize, func() {}), 0, time.Now()
				c.Put(key, allowed, authenticator.Anonymous())
				for i := range hits {
					if i%256 == 255 {
						time.Sleep(256 * between)
					}
					c.Get(key, func() (decision.Decision, time.Duration) {
						time.Sleep(test.takes)
						evaluated++
						return allowed, test.takes
					})
				}
				spent := time.Duration(evaluated) * test.takes
				if all := time.Since(start); evaluated < test.least || evaluated > test.most || spent > all/100+test.takes {
					t.Errorf("%d were evaluated again, for %v of %v", evaluated, spent, all)
				}
			})
		})
	}
}

// TestCacheVerifyAtOnce: while a hit is evaluated again, no other one is.
func TestCacheVerifyAtOnce(t *testing.T) {
	c, evaluated := New(testSize, func() {}), 0
	c.Put(key, allowed, authenticator.Anonymous())
	var evaluate func() (decision.Decision, time.Duration)
	evaluate = func() (decision.Decision, time.Duration) {
		if evaluated++; evaluated%10 != 0 { // nested at most so deep
			for range 10 * verifyEvery {
				c.Get(key, evaluate)
			}
		}
		return allowed, 0
	}
	for range verifyEvery {
		c.Get(key, evaluate)
	}
	if evaluated != 1 {
		t.Errorf("%d at once", evaluated)
	}
	for range verifyEvery {
		c.Get(key, evaluate)
	}
	if evaluated != 2 {
		t.Error("none afterwards")
	}
}

// TestCacheOff: a nil cache is one that is switched off.
func TestCacheOff(t *testing.T) {
	if c := (*Cache)(nil); c.Usable() || c.State() != "off" {
		t.Errorf("usable: %t, %s", c.Usable(), c.State())
	}
}

// TestSizeBounded: a decision may be all of the data, of which no more is looked at than
// would be kept.
func TestSizeBounded(t *testing.T) {
	numbers := make([]*ast.Term, 1<<16)
	for i := range numbers {
		numbers[i] = ast.InternedTerm(i)
	}
	list := ast.NewArray(numbers...)
	for name, value := range map[string]ast.Value{
		"a list": list, "a set": ast.NewSet(numbers...), "an object": ast.NewObject(ast.Item(ast.StringTerm("a"), ast.NewTerm(list)), ast.Item(ast.StringTerm("b"), ast.NewTerm(list))),
	} {
		if size := sizeOf(value); size <= maxValue || size > 2*maxValue {
			t.Errorf("%s: %d", name, size)
		}
	}
}

// TestCacheBounded: the cache keeps to its size, and one client that tries out paths does
// not displace frequent requests.
func TestCacheBounded(t *testing.T) {
	const size, regulars, scanned = 256 << 10, 100, 20_000
	c := New(size, func() {})
	hits := 0
	ask := func(name string) {
		if _, ok := c.Get([]byte(name), again(allowed, 0)); !ok {
			c.Put([]byte(name), allowed, authenticator.Anonymous())
		} else if strings.HasPrefix(name, "regular") {
			hits++
		}
	}
	for range 20 {
		for i := range regulars {
			ask(fmt.Sprintf("regular %d", i))
		}
	}
	c.entries.CleanUp()
	hits = 0
	for i := range scanned {
		ask(fmt.Sprintf("scan %d", i))
		ask(fmt.Sprintf("regular %d", i%regulars))
	}
	c.entries.CleanUp()
	if got := c.entries.WeightedSize(); got > size {
		t.Errorf("%d bytes, want at most %d", got, size)
	}
	if hits < scanned*9/10 {
		t.Errorf("of %d frequent requests %d were hits", scanned, hits)
	}
}
