package token

import (
	"context"
	"testing"
	"time"
)

// hanging is a Store that heeds no context: it answers once it is let go.
type hanging struct{ letGo chan struct{} }

func (h hanging) Load(context.Context, string) ([]byte, error) {
	<-h.letGo
	return nil, context.Canceled
}

func (h hanging) Save(context.Context, string, []byte) error {
	<-h.letGo
	return nil
}

// TestHangingStore: a storage that hangs delays the first token by its two seconds
// alone, what only looks at keys at hand not at all, and no token once there are keys.
func TestHangingStore(t *testing.T) {
	p := newProvider(t)
	p.set("/keys", published("a"))
	store := hanging{make(chan struct{})}
	r := newRemote(t, RemoteKeySetConfig{URL: p.URL + "/keys", Store: store})
	start := time.Now()
	r.CachedCandidates("a", "ES256")
	if took := time.Since(start); took > storeTimeout/2 {
		t.Errorf("keys at hand take %v", took)
	}
	start = time.Now()
	if got, took := found(r, "a"), time.Since(start); got != 1 || took < storeTimeout/2 || took > 2*storeTimeout {
		t.Errorf("the first token: %d after %v", got, took)
	}
	start = time.Now()
	if got, took := found(r, "a"), time.Since(start); got != 1 || took > storeTimeout/2 {
		t.Errorf("the next one: %d after %v", got, took)
	}
	close(store.letGo)
	r.saves.Wait()
}

// TestSetStore: keys are kept where the latest configuration says.
func TestSetStore(t *testing.T) {
	p := newProvider(t)
	p.set("/keys", published("a"))
	before, now := &memory{kept: map[string][]byte{}}, &memory{kept: map[string][]byte{}}
	r := newRemote(t, RemoteKeySetConfig{URL: p.URL + "/keys", Store: before})
	r.SetStore(now)
	if got := found(r, "a"); got != 1 {
		t.Fatalf("%d keys", got)
	}
	r.saves.Wait()
	if len(before.kept) != 0 || len(now.kept) != 1 {
		t.Errorf("kept %d before, %d now", len(before.kept), len(now.kept))
	}
}

// TestReportedEvents: each report has its event.
func TestReportedEvents(t *testing.T) {
	p := newProvider(t)
	for body, want := range map[string]string{
		"nonsense": "fetching issuer keys failed",
		`{"keys":[{"kty":"OKP","crv":"X25519","kid":"junk","x":"AAAA"},` + published("a")[len(`{"keys":[`):]: "issuer keys left out",
	} {
		p.set("/keys", body)
		events := make(chan string, 9)
		r := newRemote(t, RemoteKeySetConfig{URL: p.URL + "/keys", Report: func(event string, _ error) { events <- event }})
		found(r, "a")
		if got := <-events; got != want {
			t.Errorf("%s: %q", body, got)
		}
	}
}
