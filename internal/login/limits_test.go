package login

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// flood begins n sign-ins as somebody who has a /48 of IPv6 addresses does: a part
// of one client's share from one /64 after the other, each as long as can be.
func (w *env) flood(t *testing.T, owner byte, n int) {
	t.Helper()
	for i := range n {
		v := w.visitOf(httptest.NewRecorder(), httptest.NewRequest("GET", origin+LoginPath, nil))
		v.Client = networkAt(owner, i)
		if err := v.Begin(context.Background(), randomToken(), Transaction{Login: "staff", ReturnTo: "/?" + strings.Repeat("&", maxReturnTo-2)}); err != nil {
			t.Fatal(i, err)
		}
	}
}

// networkAt returns where the ith request of a flood comes from.
func networkAt(owner byte, i int) netip.Addr {
	network := i / (maxPerClient / 3) // two that share a counter do not exhaust it
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, owner, byte(network >> 8), byte(network)})
}

// held is a store that says what it holds.
type held struct {
	store.Store
	sizes map[string]int
}

func (h *held) Put(ctx context.Context, key string, item store.Item) error {
	h.sizes[key] = len(item.Value)
	return h.Store.Put(ctx, key, item)
}

func (h *held) PutNew(ctx context.Context, key string, item store.Item) (bool, error) {
	h.sizes[key] = len(item.Value)
	return h.Store.PutNew(ctx, key, item)
}

func (h *held) Count(ctx context.Context, key string, window time.Duration) (int, error) {
	h.sizes[key] = 0
	return h.Store.Count(ctx, key, window)
}

func (h *held) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		delete(h.sizes, key)
	}
	return h.Store.Delete(ctx, keys...)
}

// TestPendingBounded: T-57. However many networks somebody has, the sign-ins that
// he begins take a bounded part of the store: they drive out the oldest, and
// nobody's later one.
func TestPendingBounded(t *testing.T) {
	w := newEnv(t)
	h := &held{w.store, map[string]int{}}
	w.Sessions = w.sessionsIn(h)
	oldest, err := w.begin(t)
	if err != nil {
		t.Fatal(err)
	}
	w.flood(t, 1, maxPending-1)
	early, _ := w.begin(t) // in the place of the oldest
	w.flood(t, 2, maxPending-1)
	if _, err := w.take(early); err != nil {
		t.Errorf("one that began after the oldest: %v", err)
	}
	if _, err := w.take(oldest); !errors.Is(err, ErrState) {
		t.Errorf("the oldest: %v", err)
	}
	pending, bytes := 0, 0
	for key, size := range h.sizes {
		if strings.HasPrefix(key, "login/") {
			pending, bytes = pending+1, bytes+size
		}
		if size > maxTransactionBytes {
			t.Fatalf("%d bytes under %s", size, key)
		}
	}
	if pending > maxPending || bytes > maxPending*(maxReturnTo+400) {
		t.Errorf("%d transactions of %d bytes are kept", pending, bytes)
	}
}

// TestPendingSpans: a sign-in that began just before the clock starts a new span
// has its ten minutes all the same, whatever begins in that one.
func TestPendingSpans(t *testing.T) {
	w := newEnv(t)
	w.now = w.now.Truncate(transactionTime).Add(-time.Second)
	state, err := w.begin(t)
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(2 * time.Second)
	w.flood(t, 1, maxPending)
	w.now = w.now.Add(transactionTime - 3*time.Second)
	if _, err := w.take(state); err != nil {
		t.Error(err)
	}
}

// TestFlooded: T-57. Who begins sign-ins from thousands of networks and takes each of
// them leaves a bounded number of things behind, keeps nobody from signing in, and
// ends no session.
func TestFlooded(t *testing.T) {
	p := newProvided(t, nil)
	h := &held{p.store, map[string]int{}}
	p.Sessions = p.sessionsIn(h)
	p.signIn("/")
	const n = 3 * maxPending
	for i := range n {
		p.client = networkAt(1, i)
		state, err := p.env.begin(t)
		if err != nil {
			t.Fatal(i, err)
		}
		if _, err := p.take(state); err != nil {
			t.Fatal(i, err)
		}
	}
	kinds := map[string]int{}
	for key := range h.sizes {
		kind, _, _ := strings.Cut(key, "/")
		kinds[kind]++
	}
	t.Log(kinds)
	if kinds["login-taken"] > maxPending+1 || kinds["login-place"] > maxPending || kinds["login-begun"] > n/(maxPerClient/3)+2 {
		t.Errorf("left behind: %v", kinds)
	}
	if _, err := p.current(); err != nil {
		t.Errorf("signed out: %v", err)
	}
	p.client = netip.MustParseAddr("192.0.2.8")
	if answer := p.visit("GET", p.begin(p.URL("/", "", nil)), nil); answer.Code != http.StatusSeeOther {
		t.Errorf("somebody else: %d", answer.Code)
	}
}

// TestCounters: T-57. However many networks there are, so many counters stand for
// them, and the same network always has the same.
func TestCounters(t *testing.T) {
	seen := map[string]bool{}
	for i := range 4 * counterBuckets {
		client := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, byte(i >> 16), byte(i >> 8), byte(i), 1})
		key := counterKey("login-begun", client)
		if seen[key] = true; key != counterKey("login-begun", client.Next()) {
			t.Fatalf("%s has two counters", client)
		}
	}
	if len(seen) > counterBuckets || len(seen) < counterBuckets*9/10 {
		t.Errorf("%d counters", len(seen))
	}
}

// TestTransactionSize: T-57. What takes one byte to ask for takes one to keep; who
// asks for too much comes back to the root, and none is too long for the store.
func TestTransactionSize(t *testing.T) {
	tests := []struct {
		name, returnTo, acr, want string
	}{
		{"as people do", "/mail?folder=in&page=2", "phr phrh", "/mail?folder=in&page=2"},
		{"a long address", "/?" + strings.Repeat("&", maxReturnTo-2), "phr phrh", "/?" + strings.Repeat("&", maxReturnTo-2)},
		{"levels without end", "/mail", strings.Repeat("\" ", maxACRValues/2), "/mail"},
		{"both", "/?" + strings.Repeat("&", maxReturnTo-2), strings.Repeat("< ", maxACRValues/2), "/"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newProvided(t, nil)
			h := &held{p.store, map[string]int{}}
			p.Sessions = p.sessionsIn(h)
			p.fake.IDToken = func(_ string, _, claims map[string]any) { claims["acr"] = strings.Fields(test.acr)[0] }
			answer := p.visit("GET", p.begin(p.URL(test.returnTo, "", url.Values{"acr_values": {test.acr}})), nil)
			if answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != test.want {
				t.Errorf("%d %v %s", answer.Code, answer.Header()["Location"], answer.Body)
			}
			for key, size := range h.sizes {
				if strings.HasPrefix(key, "login/") && size > maxTransactionBytes {
					t.Errorf("%d bytes", size)
				}
			}
		})
	}
}
