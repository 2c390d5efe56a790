package dpop

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/store"
	"github.com/policyauth/caddy-policy-auth/internal/store/redistest"
)

// TestRDP6Replay: a proof counts once within its window, and is forgotten after it.
func TestRDP6Replay(t *testing.T) {
	e, memory := newMemory(t)
	line := made{}.sign(testStart)
	e.want(proof(line), authenticator.ReasonNone)
	e.now = testStart.Add(time.Minute)
	if refusal := e.want(proof(line), authenticator.ReasonProofInvalid); refusal.Problem != "the proof was used before" {
		t.Error(refusal)
	}
	e.want(proof(made{}.sign(e.now)), authenticator.ReasonNone)
	e.now = e.now.Add(shareWindow)
	e.want(proof(made{}.sign(e.now)), authenticator.ReasonNone)
	if n := memory.Len() - 1; n != 1 { // without the marker
		t.Errorf("%d proofs are remembered", n)
	}
	again := made{claims: map[string]any{"jti": "a"}}.sign(e.now)
	elsewhere := made{claims: map[string]any{"jti": "a", "htu": testURI + "/1"}}.sign(e.now)
	e.want(proof(again), authenticator.ReasonNone)
	p := proof(elsewhere)
	p.URI += "/1"
	e.want(p, authenticator.ReasonNone) // RFC 9449, section 11.1: in the context of the URI
}

// TestRDP6Concurrent: of many requests with one proof, one is accepted.
func TestRDP6Concurrent(t *testing.T) {
	e, _ := newMemory(t)
	p := proof(made{}.sign(testStart))
	var accepted atomic.Int32
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if e.verify(p) == nil {
				accepted.Add(1)
			}
		})
	}
	group.Wait()
	if accepted.Load() != 1 {
		t.Errorf("%d are accepted", accepted.Load())
	}
}

// TestRDP6Overtaken: of two requests that both find a proof unused, the later one to store
// it is refused.
func TestRDP6Overtaken(t *testing.T) {
	var e *env
	f := failing{Store: store.NewMemory(func() time.Time { return e.now }), get: store.ErrNotFound}
	e = newEnv(t, &f)
	p := proof(made{}.sign(testStart))
	e.want(p, authenticator.ReasonNone)
	if refusal := e.want(p, authenticator.ReasonProofInvalid); refusal == nil || refusal.Problem != "the proof was used before" {
		t.Error(refusal)
	}
}

// TestShareClockSetBack: a clock that is set back does not keep a share used up.
func TestShareClockSetBack(t *testing.T) {
	s := new(shares)
	for range maxPerKey {
		if err := s.take("key", netip.Addr{}, testStart); err != nil {
			t.Fatal(err)
		}
	}
	if s.take("key", netip.Addr{}, testStart) == nil {
		t.Error("the share has no end")
	}
	if err := s.take("key", netip.Addr{}, testStart.Add(-time.Hour)); err != nil {
		t.Error(err)
	}
}

// TestS24Share: a key that has used its share is refused alone, and replays do not use
// up a share.
func TestS24Share(t *testing.T) {
	e, _ := newMemory(t)
	line := made{}.sign(testStart)
	e.want(proof(line), authenticator.ReasonNone)
	for range maxPerKey - 2 {
		if err := e.shares.take(thumbprintOf(testKey()), netip.Addr{}, e.now); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		e.want(proof(line), authenticator.ReasonProofInvalid)
	}
	e.want(proof(made{}.sign(testStart)), authenticator.ReasonNone)
	if refusal := e.want(proof(made{}.sign(testStart)), authenticator.ReasonThrottled); refusal.RetryAfter <= 0 || refusal.RetryAfter > shareWindow {
		t.Errorf("%+v", refusal)
	}
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	other := proof(made{key: key}.sign(testStart))
	other.Thumbprint = thumbprintOf(key)
	e.want(other, authenticator.ReasonNone)
	e.now = e.now.Add(shareWindow)
	e.want(proof(made{}.sign(e.now)), authenticator.ReasonNone)
}

// TestSharesBounded: all keys together are bounded, in a crowd the large ones first, and a
// network with many keys leaves room for others.
func TestSharesBounded(t *testing.T) {
	s, network := new(shares), 0
	flood := func() (taken int) { // by as many keys of a network as it takes
		network++
		client := netip.AddrFrom4([4]byte{byte(network), 2, 3, 4})
		for key := range 200 {
			for range maxPerKey {
				if s.take(fmt.Sprint(network, key), client, testStart) != nil {
					break
				}
				taken++
			}
		}
		return taken
	}
	total := flood()
	if total > maxProofs*2/3 {
		t.Errorf("one network has %d proofs", total)
	}
	for range 15 {
		got := flood()
		if total += got; got == 0 {
			t.Errorf("nothing is left for network %d", network)
		}
	}
	if total > maxProofs {
		t.Errorf("%d proofs", total)
	}
	if s.counts["1 0"] != maxPerKey || s.counts["2 0"] > maxPerKey || s.counts["4 0"] > maxCrowded {
		t.Errorf("shares of %d, %d and %d", s.counts["1 0"], s.counts["2 0"], s.counts["4 0"])
	}
	client := netip.AddrFrom4([4]byte{1, 2, 3, 4})
	if err := s.take("1 another", client, testStart); err == nil || err.(*Error).Reason != authenticator.ReasonBusy {
		t.Error(err)
	}
	if err := s.take("1 another", client, testStart.Add(shareWindow)); err != nil {
		t.Error(err)
	}
}

// TestS40Reopened: a new verifier refuses proofs of before, which its store may have lost,
// and nonces of before; the nonce that it answers with is good.
func TestS40Reopened(t *testing.T) {
	e, _ := newMemory(t)
	old := e.want(proof(made{}.sign(testStart.Add(-time.Hour))), authenticator.ReasonProofInvalid).Nonce
	p := proof(made{claims: map[string]any{"iat": testStart.Unix() + 5}}.sign(testStart))
	e.want(p, authenticator.ReasonNone)

	e.now = testStart.Add(time.Millisecond)
	reopened := New(Config{Store: store.NewMemory(func() time.Time { return e.now }), NonceKey: nonceKey, Now: func() time.Time { return e.now }})
	e.Verifier = reopened
	nonce := e.want(p, authenticator.ReasonProofInvalid).Nonce
	e.want(proof(made{claims: map[string]any{"nonce": old}}.sign(testStart)), authenticator.ReasonProofInvalid)
	e.want(proof(made{claims: map[string]any{"nonce": nonce}}.sign(testStart)), authenticator.ReasonNone)
	e.now = testStart.Add(6 * time.Second)
	e.want(p, authenticator.ReasonProofInvalid)
	e.want(proof(made{}.sign(e.now)), authenticator.ReasonNone)
}

// TestS40Lost: S-40. A store that loses its data between two requests, as Redis does that
// is flushed or restarted, makes no proof good again; each machine notices it alone, and
// those of other machines still count.
func TestS40Lost(t *testing.T) {
	server := redistest.New(t)
	open := func() *env {
		s := must(store.OpenRedis(server.URL(), "", nil))
		t.Cleanup(func() { _ = s.Close() })
		return newEnv(t, s)
	}
	one, other := open(), open()
	used, usedThere := proof(made{}.sign(testStart)), proof(made{}.sign(testStart))
	one.want(used, authenticator.ReasonNone)
	other.want(usedThere, authenticator.ReasonNone)
	one.want(usedThere, authenticator.ReasonProofInvalid)
	flush(t, server)
	for _, e := range []*env{one, other} {
		refusal := e.want(used, authenticator.ReasonProofInvalid)
		if refusal == nil || !strings.Contains(refusal.Problem, "lost the memory") || refusal.Nonce == "" {
			t.Fatalf("%+v", refusal)
		}
		e.want(usedThere, authenticator.ReasonProofInvalid)
		e.want(proof(made{claims: map[string]any{"nonce": refusal.Nonce}}.sign(testStart)), authenticator.ReasonNone)
		flushed := proof(made{claims: map[string]any{"nonce": refusal.Nonce}}.sign(testStart))
		e.want(flushed, authenticator.ReasonNone)
		e.want(flushed, authenticator.ReasonProofInvalid)
		e.now = testStart.Add(6 * time.Second)
		e.want(proof(made{}.sign(e.now)), authenticator.ReasonNone)
		flush(t, server)
	}
}

// flush removes all that a Redis has.
func flush(t *testing.T, server *redistest.Server) {
	t.Helper()
	c, err := net.Dial("unix", server.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("FLUSHALL\r\n")); err != nil {
		t.Fatal(err)
	}
	if answer, err := bufio.NewReader(c).ReadString('\n'); err != nil || answer != "+OK\r\n" {
		t.Fatal(answer, err)
	}
}

// TestS40LostMeanwhile: S-40. A proof that was checked before another request noticed the
// loss does not count.
func TestS40LostMeanwhile(t *testing.T) {
	e, memory := newMemory(t)
	e.want(proof(made{}.sign(testStart)), authenticator.ReasonNone)
	checked, err := e.Check(t.Context(), proof(made{}.sign(testStart)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := memory.Delete(t.Context(), e.marker); err != nil {
		t.Fatal(err)
	}
	e.want(proof(made{}.sign(testStart)), authenticator.ReasonProofInvalid)
	if err := e.Remember(t.Context(), checked); err == nil {
		t.Error("it counts")
	}
	next, err := e.Check(t.Context(), proof(made{claims: map[string]any{"iat": testStart.Unix() + 5}}.sign(testStart)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := memory.Delete(t.Context(), e.marker); err != nil { // again, before the clock moves
		t.Fatal(err)
	}
	if err := e.Remember(t.Context(), next); err == nil {
		t.Error("one of between two losses counts")
	}
}

// failing is a store that fails on demand.
type failing struct {
	store.Store
	get, put, replace error
}

func (f *failing) Get(ctx context.Context, key string) ([]byte, error) {
	if f.get != nil {
		return nil, f.get
	}
	return f.Store.Get(ctx, key)
}

func (f *failing) PutNew(ctx context.Context, key string, item store.Item) (bool, error) {
	if f.put != nil {
		return false, f.put
	}
	return f.Store.PutNew(ctx, key, item)
}

func (f *failing) Put(ctx context.Context, key string, item store.Item) error {
	if f.put != nil {
		return f.put
	}
	return f.Store.Put(ctx, key, item)
}

func (f *failing) Replace(ctx context.Context, key string, item store.Item) (bool, error) {
	if f.replace != nil {
		return false, f.replace
	}
	return f.Store.Replace(ctx, key, item)
}

// TestStoreUnavailable: a store that fails accepts no proof, and after that none of
// before, which it may have lost (S-40).
func TestStoreUnavailable(t *testing.T) {
	for name, broken := range map[string]failing{"read": {get: store.ErrUnavailable}, "write": {put: store.ErrUnavailable}, "replace": {replace: store.ErrUnavailable}} {
		t.Run(name, func(t *testing.T) {
			f := broken
			var e *env
			f.Store = store.NewMemory(func() time.Time { return e.now })
			e = newEnv(t, &f)
			e.want(proof(made{}.sign(testStart)), authenticator.ReasonStoreUnavailable)
			f.get, f.put, f.replace = nil, nil, nil
			if e.want(proof(made{}.sign(testStart)), authenticator.ReasonProofInvalid).Nonce == "" {
				t.Error("no nonce")
			}
			e.now = testStart.Add(6 * time.Second)
			e.want(proof(made{}.sign(e.now)), authenticator.ReasonNone)
		})
	}
}
