package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/oidc"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// transactionTime is how long a sign-in at a provider may take (R-OID-3).
const transactionTime = 10 * time.Minute

var (
	// ErrState is the error of a state that is unknown, expired, replaced by newer
	// sign-ins, or that belongs to another browser.
	ErrState = errors.New("this browser did not start the sign-in, or it has expired or was replaced by newer ones")
	// ErrUsed is the error of a transaction that was used before. Take returns it
	// with the page to return to. Every other error means that the store is
	// unavailable.
	ErrUsed = errors.New("the callback of this sign-in was used before")
)

// Transaction is an unfinished sign-in or sign-out at a provider. The server stores
// it; the browser gets only its state.
type Transaction struct {
	// Login is the method's name.
	Login string `json:"login"`
	// ReturnTo is the path of this site to return to.
	ReturnTo string `json:"return_to"`
	// StepUp are the requirements of the sign-in.
	StepUp oidc.StepUp `json:"ask"`
	// Data belongs to the method and holds for instance the nonce. It is removed
	// once the transaction was used.
	Data json.RawMessage `json:"data,omitempty"`
	// Retry says that a used transaction failed temporarily, so that the next visit
	// starts a new sign-in.
	Retry bool `json:"retry,omitempty"`
	// Browser binds the transaction to the browser that began it. Began is the time
	// in milliseconds since 1970. Begin sets both.
	Browser string `json:"browser"`
	Began   int64  `json:"began"`
}

// Begin stores a transaction under a state, which must be a new value of
// randomToken.
func (v *Request) Begin(ctx context.Context, state string, t Transaction) error {
	in, key := v.Sessions.Registry().Store(), transactionKey(state)
	place, err := v.countBegun(ctx, in)
	if err != nil {
		return beginError(err)
	}
	browser := v.browserID()
	t.Browser, t.Began = digest(browser, state), v.Sessions.Now().UnixMilli()
	encoded, err := t.encode()
	if err != nil {
		return beginError(err)
	}
	slot, err := claimBrowserSlot(ctx, in, browser, key, t.Began)
	if err != nil {
		return beginError(err)
	}
	if err := claimSiteSlot(ctx, in, place, key+"\n"+slot); err != nil {
		return beginError(err)
	}
	return beginError(in.Put(ctx, key, store.Item{Value: encoded, Lifetime: transactionTime}))
}

// beginError adds context to an error; nil stays nil.
func beginError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("beginning a sign-in: %w", err)
}

// Take returns the transaction of a state and marks it used. A second call, on any
// machine, returns ErrUsed and the transaction without its Data, for ten minutes.
// Another browser gets ErrState.
func (v *Request) Take(ctx context.Context, state string) (Transaction, error) {
	t, err := v.read(ctx, state)
	if err != nil {
		return Transaction{}, err
	}
	in, key := v.Sessions.Registry().Store(), transactionKey(state)
	first, err := in.PutNew(ctx, usedKey(key), store.Item{Lifetime: 2 * transactionTime})
	switch {
	case err != nil:
		return Transaction{}, resumeError(err)
	case !first:
		t.Data = nil
		return t, ErrUsed
	}
	return t, v.storeUsed(ctx, state, t)
}

// read returns the transaction of a state if it belongs to this browser.
func (v *Request) read(ctx context.Context, state string) (t Transaction, err error) {
	encoded, err := v.Sessions.Registry().Store().Get(ctx, transactionKey(state))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return t, ErrState
	case err != nil:
		return t, resumeError(err)
	}
	browser, known := v.readBrowserID()
	if err := json.Unmarshal(encoded, &t); err != nil || !known || !equal(t.Browser, digest(browser, state)) {
		return Transaction{}, ErrState
	}
	return t, nil
}

// storeUsed replaces the stored transaction by one without its secrets.
func (v *Request) storeUsed(ctx context.Context, state string, t Transaction) error {
	t.Data = nil
	encoded, err := t.encode()
	if err == nil {
		item := store.Item{Value: encoded, Lifetime: transactionTime}
		_, err = v.Sessions.Registry().Store().Replace(ctx, transactionKey(state), item)
	}
	return resumeError(err)
}

// resumeError adds context to an error; nil stays nil.
func resumeError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("resuming a sign-in: %w", err)
}

// transactionKey returns the store key of a state. The state cannot be computed
// from it.
func transactionKey(state string) string { return "login/" + digest(state, "transaction") }

// usedKey returns the store key of the mark that a transaction was used.
func usedKey(key string) string { return "login-taken/" + key }
