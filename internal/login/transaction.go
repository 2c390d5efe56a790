package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// ErrState says that a transaction cannot go on: the state is not one of ours, was
// used before, has expired, made room for others or belongs to another browser.
// Every other error says that the store cannot tell.
var ErrState = errors.New("this sign-in was not begun here, has been used, has expired or made room for others")

// Transaction is a sign-in that goes on somewhere else. Only the server knows
// what is in it; the browser has its state alone.
type Transaction struct {
	// Login is the method's name.
	Login string `json:"login"`
	// ReturnTo is the path of this site to come back to.
	ReturnTo string `json:"return_to"`
	// Data is the method's own, such as a nonce.
	Data json.RawMessage `json:"data,omitempty"`
	// Browser binds the transaction to whoever began it; Begin sets it.
	Browser string `json:"browser"`
}

// Begin stores a transaction under a state, made by random, which names it once.
func (v *Visit) Begin(ctx context.Context, state string, t Transaction) error {
	in, key := v.Sessions.Registry().Store(), transactionKey(state)
	place, err := v.admit(ctx, in)
	if err != nil {
		return beginning(err)
	}
	t.Browser = token(v.browser(), state)
	encoded, err := t.encode()
	if err != nil {
		return beginning(err)
	}
	if err := displace(ctx, in, place, key); err != nil {
		return beginning(err)
	}
	return beginning(in.Put(ctx, key, store.Item{Value: encoded, Lifetime: transactionTime}))
}

// beginning says what failed; nil is nothing.
func beginning(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("beginning a sign-in: %w", err)
}

// Take returns the transaction of a state and ends it: a second call, also on
// another machine, gets ErrState, and so does another browser.
func (v *Visit) Take(ctx context.Context, state string) (Transaction, error) {
	if len(state) != len(random()) {
		return Transaction{}, ErrState
	}
	in, key := v.Sessions.Registry().Store(), transactionKey(state)
	encoded, err := in.Get(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Transaction{}, ErrState
	case err != nil:
		return Transaction{}, fmt.Errorf("going on with a sign-in: %w", err)
	}
	var t Transaction
	browser, known := v.known()
	if err := json.Unmarshal(encoded, &t); err != nil || !known || !same(t.Browser, token(browser, state)) {
		return Transaction{}, ErrState
	}
	first, err := in.PutNew(ctx, takenKey(key), store.Item{Lifetime: transactionTime})
	switch {
	case err != nil:
		return Transaction{}, fmt.Errorf("going on with a sign-in: %w", err)
	case !first:
		return Transaction{}, ErrState
	}
	return t, in.Delete(ctx, key)
}

// transactionKey is where a transaction is stored; the state does not follow
// from it.
func transactionKey(state string) string { return "login/" + token(state, "transaction") }

// takenKey is where a mark says that a transaction was taken.
func takenKey(key string) string { return "login-taken/" + key }

// networkOf returns what counts as one client: an address, or the /64 that an
// IPv6 client can choose addresses from.
func networkOf(client netip.Addr) string {
	bits := 32
	if client = client.Unmap(); client.Is6() {
		bits = 64
	}
	prefix, err := client.Prefix(bits)
	if err != nil || !prefix.IsValid() {
		return "unknown"
	}
	return prefix.String()
}
