package apppassword

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// TestS40NoReturn: S-18, S-40. A password whose holder ended or expired never counts again,
// whether its owner signs in, makes another one, or both, with the login's tag of before.
func TestS40NoReturn(t *testing.T) {
	tests := map[string]func(e *env, h Holder) error{
		"expired": func(e *env, _ Holder) error { e.now = e.now.Add(31 * day); return nil },
		"by a shorter sign_in_within": func(e *env, _ Holder) error {
			e.now = e.now.Add(2 * time.Hour)
			e.config.SignInWithin = time.Hour
			return nil
		},
		"the owner's record is lost": func(e *env, h Holder) error {
			return e.store.Delete(context.Background(), holderPrefix+holderKey(h.Person, h.Site))
		},
		"another login tag": func(e *env, h Holder) error { h.LoginTag = "other"; return e.SignedIn(context.Background(), h) },
		"made with another login tag": func(e *env, h Holder) error {
			h.LoginTag = "other"
			_, _, err := e.Make(context.Background(), h, "other", nil)
			return err
		},
	}
	for name, end := range tests {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, Config{Max: 3})
			h := e.alice()
			h.LoginTag, h.Refreshable = "password", true
			secret, made := e.mustMake(t, h)
			if err := end(e, h); err != nil {
				t.Fatal(err)
			}
			h.SignedIn = e.now
			for step, again := range []func() error{
				func() error { return e.SignedIn(t.Context(), h) },
				func() error { _, _, err := e.Make(t.Context(), h, "tablet", nil); return err },
				func() error { return e.SignedIn(t.Context(), h) },
			} {
				if err := again(); err != nil {
					t.Fatal(err)
				}
				if err := e.verify(secret); !errors.Is(err, ErrUnknown) {
					t.Errorf("after step %d: %v", step, err)
				}
			}
			if _, err := e.store.Get(t.Context(), passwordPrefix+made.ID); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("it is left in the store: %v", err)
			}
			if list, err := e.Of(t.Context(), h.Person, host); len(list) != 1 || err != nil {
				t.Errorf("%d are listed, %v", len(list), err)
			}
		})
	}
}

const day = 24 * time.Hour

// TestEndedFreeSlots: max counts the app passwords that count, in every store. Ended ones
// leave nothing behind.
func TestEndedFreeSlots(t *testing.T) {
	for name, in := range homes(t) {
		t.Run(name, func(t *testing.T) {
			e := &env{now: time.Now()}
			e.Passwords = New(NewRegistry(in, sealer()), Config{Max: 2, Now: e.time})
			defer func() { _ = in.Close() }()
			for range 3 {
				for range 2 {
					e.mustMake(t, e.alice())
				}
				if _, _, err := e.Make(t.Context(), e.alice(), "phone", nil); !errors.Is(err, ErrFull) {
					t.Error(err)
				}
				h := e.alice()
				if err := in.Delete(t.Context(), holderPrefix+holderKey(h.Person, h.Site)); err != nil {
					t.Fatal(err)
				}
			}
			e.mustMake(t, e.alice())
			if left, err := in.Owned(t.Context(), ownerOfAll); len(left) != 4 || err != nil {
				t.Errorf("%d items, %v", len(left), err)
			}
		})
	}
}

// TestUnreadableHolder: the secret of the store was replaced. What it sealed is not valid
// and does not count against max.
func TestUnreadableHolder(t *testing.T) {
	e := newEnv(t, Config{Max: 1})
	old, _ := e.mustMake(t, e.alice())
	e.Passwords = New(NewRegistry(e.store, store.NewSealer(store.Secret([]byte("another secret of thirty-two byt")), nil)), e.config)
	if secret, _ := e.mustMake(t, e.alice()); e.verify(secret) != nil || e.verify(old) == nil {
		t.Errorf("%v, %v", e.verify(secret), e.verify(old))
	}
}

// ending is a store in which the holder ends while a password is stored.
type ending struct {
	store.Store
	owner string
}

func (s *ending) Put(ctx context.Context, key string, item store.Item) error {
	if s.owner != "" {
		if _, err := s.DeleteOwner(ctx, s.owner); err != nil {
			return err
		}
	}
	return s.Store.Put(ctx, key, item)
}

// TestS40EndedWhileMade: an operator ends all app passwords while one is made. It is not
// shown, not stored, and does not begin to count later.
func TestS40EndedWhileMade(t *testing.T) {
	e := newEnv(t, Config{})
	h := e.alice()
	in := &ending{e.store, holderOwner(holderKey(h.Person, h.Site))}
	e.Passwords = New(NewRegistry(in, sealer()), e.config)
	if secret, _, err := e.Make(t.Context(), h, "phone", nil); err == nil || secret != "" {
		t.Errorf("made: %v", err)
	}
	if left, err := in.Owned(t.Context(), ownerOfAll); len(left) != 0 || err != nil {
		t.Errorf("%d items, %v", len(left), err)
	}
}

// TestLaterSignIn: what a refresh learns does not replace a sign-in that happened meanwhile,
// and does not end what it has renewed; nor does an earlier session that makes a password.
func TestLaterSignIn(t *testing.T) {
	e := newEnv(t, Config{})
	first := e.alice()
	first.Refreshable, first.SessionID, first.Data = true, "old", []byte("old tokens")
	secret, _ := e.mustMake(t, first)
	read, err := e.HolderOf(t.Context(), first.Person, host) // the provider is asked
	if err != nil {
		t.Fatal(err)
	}
	e.now = e.now.Add(29 * day)
	later := first
	later.SignedIn, later.SessionID, later.Data = e.now, "new", []byte("new tokens")
	if err := e.SignedIn(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func() error{
		"a refresh": func() error {
			got, err := e.Renew(t.Context(), read, nil, []byte("refreshed old tokens"))
			if err == nil && got.SessionID != "new" {
				t.Errorf("returned: %+v", got)
			}
			return err
		},
		"a refusal":          func() error { return e.EndHolder(t.Context(), read) },
		"an earlier session": func() error { _, _, err := e.Make(t.Context(), first, "tablet", nil); return err },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		now, err := e.HolderOf(t.Context(), first.Person, host)
		if err != nil || now.SessionID != "new" || string(now.Data) != "new tokens" || !now.SignedIn.Equal(later.SignedIn) || e.verify(secret) != nil {
			t.Errorf("%s: %+v, %v, %v", what, now, err, e.verify(secret))
		}
	}
}

// TestS40RenewEnded: a refresh of a holder that ended, and of which another one was made,
// changes nothing of that, and does not end it.
func TestS40RenewEnded(t *testing.T) {
	e := newEnv(t, Config{})
	e.mustMake(t, e.alice())
	read, err := e.HolderOf(t.Context(), e.alice().Person, host)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.EndUser(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	secret, _ := e.mustMake(t, e.alice())
	if _, err := e.Renew(t.Context(), read, nil, []byte("tokens")); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if err := e.EndHolder(t.Context(), read); err != nil || e.verify(secret) != nil {
		t.Errorf("%v, %v", err, e.verify(secret))
	}
}

// TestS17Renamed: operators find and end the app passwords of a user by the name of now and
// by that of before, and no other user's.
func TestS17Renamed(t *testing.T) {
	for _, name := range []string{"alice", "renamed"} {
		e := newEnv(t, Config{Max: 1})
		secret, _ := e.mustMake(t, e.alice())
		other, _ := e.mustMake(t, e.holder("bob"))
		read, err := e.HolderOf(t.Context(), e.alice().Person, host)
		if err != nil {
			t.Fatal(err)
		}
		id := *read.Identity
		id.Username = "renamed"
		if _, err := e.Renew(t.Context(), read, &id, nil); err != nil {
			t.Fatal(err)
		}
		for user, want := range map[string]int{"renamed": 1, "name of alice": 1, "alice": 1, "": 2, "bob": 1} {
			list, err := e.List(t.Context(), user)
			if len(list) != want || err != nil {
				t.Errorf("%s: %d, %v", user, len(list), err)
			}
			if want == 1 && user != "bob" && list[0].Owner().Username != "renamed" {
				t.Errorf("%s: %+v", user, list[0].Owner())
			}
		}
		if n, err := e.EndUser(t.Context(), name); n != 1 || err != nil || e.verify(secret) == nil || e.verify(other) != nil {
			t.Errorf("%s: %d ended, %v, %v", name, n, err, e.verify(other))
		}
		e.mustMake(t, e.alice()) // its slot is free
	}
}
