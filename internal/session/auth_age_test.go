package session

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// aliceAt is a user who signed in at a provider some time before now.
func (s site) aliceAt(before time.Duration) Record {
	record := alice()
	id := *record.Identity
	id.AuthTime = s.clock.now().Add(-before).Unix()
	record.Identity = &id
	return record
}

// A session counts as long as the sign-in is recent enough, at the boundary, however
// often it is used (R-SES-4).
func TestMaxAuthAge(t *testing.T) {
	const step = time.Nanosecond
	tests := []struct {
		name          string
		before, after time.Duration // the session began
		want          error
	}{
		{"signed in just now", 0, time.Hour - step, nil},
		{"signed in an hour ago", 0, time.Hour, ErrExpired},
		{"at the provider before", 40 * time.Minute, 20*time.Minute - step, nil},
		{"at the provider an hour ago", 40 * time.Minute, 20 * time.Minute, ErrExpired},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, Config{MaxAuthAge: time.Hour})
			cookie := s.start(t, visit(host), s.aliceAt(test.before))
			for left := test.after; left > 0; left -= 10 * time.Minute {
				s.clock.advance(min(left, 10*time.Minute))
				if found, err := s.find(host, cookie); err == nil {
					s.Touch(found)
				}
			}
			found, err := s.find(host, cookie)
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if until := time.Unix(found.Identity.ExpiresAt, 0); !until.Equal(s.clock.now().Add(-test.after - test.before + time.Hour).Truncate(time.Second)) {
				t.Errorf("the identity expires at %s", until)
			}
		})
	}
}

// A sign-in that is too old, in the future or of an unknown time starts no session, and leaves the
// browser with what it had (R-SES-4).
func TestMaxAuthAgeStart(t *testing.T) {
	s := newSite(t, Config{MaxAuthAge: time.Hour})
	before := s.start(t, visit(host), s.aliceAt(0))
	for name, record := range map[string]Record{"unknown": alice(), "too old": s.aliceAt(time.Hour), "in the future": s.aliceAt(-maxSkew - time.Second)} {
		recorder := httptest.NewRecorder()
		if _, err := s.Start(context.Background(), recorder, visit(host, before), true, record); !errors.Is(err, ErrAuthTime) {
			t.Errorf("%s: %v", name, err)
		}
		if got := recorder.Header().Get("Set-Cookie"); got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if _, err := s.find(host, before); err != nil {
		t.Errorf("the session from before: %v", err)
	}
	if _, err := s.Start(context.Background(), httptest.NewRecorder(), visit(host), true, s.aliceAt(-maxSkew)); err != nil {
		t.Errorf("by a clock that is a minute ahead: %v", err)
	}
}

// A site counts its own max_auth_age also for sessions of another site, and of a time
// at which there was none. A refresh does not extend them (R-SES-4).
func TestMaxAuthAgeOfOlderSessions(t *testing.T) {
	s := newSite(t, Config{})
	limited := in(t, s.registry, s.clock, Config{MaxAuthAge: time.Hour})
	known, unknown := s.start(t, visit(host), s.aliceAt(50*time.Minute)), s.start(t, visit(host), alice())
	found, err := limited.Find(context.Background(), visit(host), known.Value)
	if err != nil {
		t.Fatal(err)
	}
	if err := limited.Refresh(context.Background(), found, found.Identity, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := limited.Find(context.Background(), visit(host), unknown.Value); !errors.Is(err, ErrExpired) {
		t.Errorf("an unknown time: %v", err)
	}
	s.clock.advance(10 * time.Minute)
	if _, err := limited.Find(context.Background(), visit(host), known.Value); !errors.Is(err, ErrExpired) {
		t.Errorf("too old: %v", err)
	}
	for _, cookie := range []string{known.Value, unknown.Value} {
		if _, err := s.Find(context.Background(), visit(host), cookie); err != nil {
			t.Errorf("without a limit: %v", err)
		}
	}
}

func TestMaxAuthAgeConfig(t *testing.T) {
	for _, age := range []time.Duration{-time.Hour, time.Nanosecond, MinMaxAuthAge - 1} {
		if _, err := New(nil, Config{MaxAuthAge: age}); err == nil || !strings.Contains(err.Error(), "max_auth_age") {
			t.Errorf("%s: %v", age, err)
		}
	}
	for _, age := range []time.Duration{0, MinMaxAuthAge, 30 * 24 * time.Hour} {
		if s, err := New(nil, Config{MaxAuthAge: age}); err != nil || s.MaxAuthAge() != age {
			t.Errorf("%s: %v", age, err)
		}
	}
}
