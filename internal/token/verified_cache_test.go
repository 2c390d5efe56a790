package token

import (
	"testing"
	"time"
)

// TestRemembered: a token that was found good is remembered while its keys are
// in use and it has not expired, and only as a whole (T-05, R-CACHE-6).
func TestRemembered(t *testing.T) {
	c := newHandClock()
	first := testSet(t, testKey(t, "ES256"))
	source := newSwapped(first)
	config := testConfig(t, "ES256")
	config.Keys, config.Now = source, c.now
	v := newVerifier(t, config)
	raw := token("ES256", nil)
	if cachedIdentity(v, raw) != nil {
		t.Fatal("remembered before it was seen")
	}
	id, err := v.Verify(raw)
	if err != nil {
		t.Fatal(err)
	}
	if cachedIdentity(v, raw) != id {
		t.Error("not remembered")
	}
	for _, other := range []string{"", raw + "A", raw[:len(raw)-1], raw[1:]} {
		if cachedIdentity(v, other) != nil {
			t.Errorf("%.20q is taken for it", other)
		}
	}
	if cachedIdentity(newVerifier(t, config), raw) != nil {
		t.Error("another verifier remembers it")
	}
	source.Swap(testSet(t, testKey(t, "RS256")))
	if cachedIdentity(v, raw) != nil {
		t.Error("remembered although its key is gone")
	}
	if _, err := v.Verify(raw); err == nil {
		t.Error("accepted although its key is gone")
	}
	source.Swap(first)
	if cachedIdentity(v, raw) != id {
		t.Error("forgotten although its key is back")
	}
	c.forward(299 * time.Second)
	if cachedIdentity(v, raw) == nil {
		t.Error("forgotten before it expired")
	}
	c.forward(time.Second)
	if cachedIdentity(v, raw) != nil {
		t.Error("remembered after it expired")
	}
	if _, err := v.Verify(raw); err != nil {
		t.Errorf("within the leeway: %v", err)
	}
	c.forward(time.Minute)
	if _, err := v.Verify(raw); err == nil {
		t.Error("accepted after the leeway")
	}
}

// TestNotRemembered: failures are not kept; a good token after a bad one is good.
func TestNotRemembered(t *testing.T) {
	v := newVerifier(t, testConfig(t, "ES256"))
	bad := token("ES256", map[string]any{"aud": "other"})
	for range 2 {
		if _, err := v.Verify(bad); err == nil || cachedIdentity(v, bad) != nil {
			t.Error("a bad token is remembered")
		}
	}
}

// TestRememberedAllocations: performance.md, a hit allocates nothing.
func TestRememberedAllocations(t *testing.T) {
	v := newVerifier(t, testConfig(t, "ES256"))
	raw := token("ES256", nil)
	if _, err := v.Verify(raw); err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(100, func() { v.VerifyCached(raw) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

// TestRemoteRefreshesThoughRemembered: tokens that are all remembered still have
// an issuer's keys asked for when they are no longer fresh, so that a key that
// was withdrawn ceases to count.
func TestRemoteRefreshesThoughRemembered(t *testing.T) {
	p := newProvider(t)
	p.set("/keys", published("a"))
	c := newHandClock()
	r := newRemote(t, RemoteKeySetConfig{URL: p.URL + "/keys", Now: c.now})
	found(r, "a")
	before := r.Generation()
	c.forward(11 * time.Minute)
	if r.Generation() != before {
		t.Error("it waited for the issuer")
	}
	settled(r)
	if p.count("/keys") != 2 || r.Generation() == before {
		t.Errorf("asked %d times", p.count("/keys"))
	}
}

func BenchmarkVerifyCached(b *testing.B) {
	v := newVerifier(b, testConfig(b, "ES256"))
	raw := token("ES256", nil)
	if _, err := v.Verify(raw); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if cachedIdentity(v, raw) == nil {
			b.Fatal("forgotten")
		}
	}
}
