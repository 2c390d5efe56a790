package oidc

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// TestMain holds that nothing goes on once everything is closed. A cache cleans
// itself up until it is collected.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/maypok86/otter/v2.periodicCleanUp[...]"))
}

const (
	redirectURI = "https://app.example.com/.policy_auth/callback/id"
	state       = "a-state-that-nobody-can-guess"
)

// clock is what tests set the time with. Call newClock.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Unix(1_800_000_000, 0)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// bench is a fake provider and a client of it, with one clock.
type bench struct {
	*clock
	t      *testing.T
	fake   *oidctest.Provider
	client *Provider
	mu     sync.Mutex
	told   []error
}

// newBench returns a bench; change may alter the client's configuration.
func newBench(t *testing.T, change func(*Config)) *bench {
	t.Helper()
	b := &bench{clock: newClock(), t: t, fake: oidctest.New(t)}
	b.fake.Now = b.now
	keys, err := token.NewRemoteKeySet(token.RemoteKeySetConfig{Issuer: b.fake.URL, Now: b.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	config := Config{
		Issuer: b.fake.URL, ClientID: b.fake.ClientID, ClientSecret: b.fake.ClientSecret, Keys: keys, Now: b.now,
		Report: func(err error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.told = append(b.told, err)
		},
	}
	if change != nil {
		change(&config)
	}
	if b.client, err = New(config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.client.Close() })
	return b
}

// begin authorizes and lets the fake sign its user in; it returns what the
// browser brings back.
func (b *bench) begin(stepUp StepUp) (url.Values, AuthRequest) {
	b.t.Helper()
	to, pending, err := b.client.Authorize(context.Background(), state, redirectURI, stepUp)
	if err == nil {
		to, err = b.client.PushAuthorization(context.Background(), to, state, pending)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer browser.CloseIdleConnections()
	answer, err := browser.Get(to)
	if err != nil {
		b.t.Fatal(err)
	}
	_ = answer.Body.Close()
	back, err := answer.Location()
	if err != nil {
		b.t.Fatalf("the provider answered %d: %v", answer.StatusCode, err)
	}
	return back.Query(), pending
}

// signIn signs the fake's user in.
func (b *bench) signIn(stepUp StepUp) (*Grant, error) {
	b.t.Helper()
	answer, pending := b.begin(stepUp)
	return b.client.Exchange(context.Background(), answer, pending)
}

// mustSignIn is signIn of which nothing else is expected.
func (b *bench) mustSignIn() *Grant {
	b.t.Helper()
	g, err := b.signIn(NoStepUp)
	if err != nil {
		b.t.Fatal(err)
	}
	return g
}

// failure returns err as a *Failure with a status.
func failure(t *testing.T, err error, status int) *Failure {
	t.Helper()
	var f *Failure
	if !errors.As(err, &f) || f.Status != status {
		t.Fatalf("got %#v (%v), want a failure with the status %d", err, err, status)
	}
	return f
}
