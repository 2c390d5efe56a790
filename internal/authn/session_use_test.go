package authn

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/person"
	"github.com/policyauth/caddy-policy-auth/internal/session"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// stubLogin is a login whose sessions count.
type stubLogin struct{ login.Method }

func (stubLogin) ID() string { return "stub" }

func (stubLogin) Revalidate(_ context.Context, _ *session.Sessions, s *session.Session) authenticator.Outcome {
	return authenticator.Accept(s.Identity)
}

// TestS23Passive: S-23. A passive request is no activity of the session; others are.
func TestS23Passive(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	clock := func() time.Time { return now }
	registry := session.NewRegistry(store.NewMemory(clock), store.NewSealer(store.Secret(make([]byte, store.SecretSize)), nil))
	sessions, err := session.New(registry, session.Config{Logins: []string{"stub"}, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	s := &Session{registry: registry, sessions: sessions, methods: map[string]login.Method{"stub": stubLogin{}}}
	recorder, r := httptest.NewRecorder(), httptest.NewRequest("GET", "https://example.com/", nil)
	id := (&authenticator.Identity{Authenticated: true, ID: "alice"}).Normalize()
	began, err := sessions.Start(t.Context(), recorder, r, true, session.Record{Identity: id, Person: person.Person{Login: "stub", Subject: "alice"}})
	if err != nil {
		t.Fatal(err)
	}
	credential := authenticator.Credential{Value: recorder.Result().Cookies()[0].Value}
	start := began.LastUsed()
	for _, use := range []*SessionUse{{Passive: true}, {}, nil} {
		now = now.Add(time.Minute)
		asked := r
		if use != nil {
			asked = r.WithContext(use.In(r.Context()))
		}
		passive := use != nil && use.Passive
		outcome := s.Authenticate(asked, credential)
		if outcome.Verdict != authenticator.Accepted || (outcome.Hold == nil) != passive || began.LastUsed().Equal(start) != passive {
			t.Errorf("%+v: %+v, last used %s", use, outcome, began.LastUsed().Sub(start))
		}
	}
}
