package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/policyauth/caddy-policy-auth/internal/oidc"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

var (
	// ErrState says that a transaction cannot go on: the state is not one of ours,
	// has expired, made room for others or belongs to another browser.
	ErrState = errors.New("this sign-in was not begun here, has expired or made room for others")
	// ErrUsed says that this browser's transaction was used before. It still says
	// which page was asked for. Every other error says that the store cannot tell.
	ErrUsed = errors.New("the answer to this sign-in came before")
)

// Transaction is a sign-in that goes on somewhere else. Only the server knows
// what is in it; the browser has its state alone.
type Transaction struct {
	// Login is the method's name.
	Login string `json:"login"`
	// ReturnTo is the path of this site to come back to.
	ReturnTo string `json:"return_to"`
	// StepUp is what the sign-in has to be like.
	StepUp oidc.StepUp `json:"ask"`
	// Data is the method's own, such as a nonce; a used transaction has none.
	Data json.RawMessage `json:"data,omitempty"`
	// Retry says of a used transaction that the sign-in failed for a reason that may
	// pass, so that the next visit begins another one.
	Retry bool `json:"retry,omitempty"`
	// Browser binds the transaction to the browser that began it, and Began says
	// when, in milliseconds since 1970; Begin sets both.
	Browser string `json:"browser"`
	Began   int64  `json:"began"`
}

// Begin stores a transaction under a state, made by random, which names it once.
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

// beginError says what failed; nil is nothing.
func beginError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("beginning a sign-in: %w", err)
}

// Take returns the transaction of a state and marks it used: a second call, also
// on another machine, gets ErrUsed with what is kept of it for ten minutes. Another
// browser gets ErrState.
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

// read returns the transaction of a state, if it is this browser's.
func (v *Request) read(ctx context.Context, state string) (t Transaction, err error) {
	if len(state) != len(randomToken()) {
		return t, ErrState
	}
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

// storeUsed keeps of a transaction which page was asked for, without its secrets.
func (v *Request) storeUsed(ctx context.Context, state string, t Transaction) error {
	t.Data = nil
	encoded, err := t.encode()
	if err == nil {
		item := store.Item{Value: encoded, Lifetime: transactionTime}
		_, err = v.Sessions.Registry().Store().Replace(ctx, transactionKey(state), item)
	}
	return resumeError(err)
}

// resumeError says what failed; nil is nothing.
func resumeError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("going on with a sign-in: %w", err)
}

// transactionKey is where a transaction is stored; the state does not follow
// from it.
func transactionKey(state string) string { return "login/" + digest(state, "transaction") }

// usedKey is where a mark says that a transaction was taken.
func usedKey(key string) string { return "login-taken/" + key }
