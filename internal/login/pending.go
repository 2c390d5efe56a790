package login

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// What strangers can leave in the store, who have yet to sign in, is bounded: by
// client, since one that begins without end is told to wait, and in all, since
// whoever has many addresses is many clients. Of transactions that is twice
// maxPending times maxTransaction, 64 MiB, a quarter of what a store holds; counters
// take less. People who are signed in already notice nothing.
const (
	// transactionTime is how long somebody may take to sign in elsewhere (R-OID-3).
	transactionTime = 10 * time.Minute
	// maxBegun is how many sign-ins a client may begin within transactionTime.
	maxBegun = 300
	// maxBegunByAll is how many may begin in a span, one transactionTime on the clock.
	maxBegunByAll = 1 << 16
	// maxPending is how many of those are kept. One more takes the place of the
	// oldest: while somebody floods the site, others have to be quicker, and are not
	// kept out.
	maxPending = 1 << 13
	// maxTransaction is how many bytes each may take.
	maxTransaction = 4 << 10
)

// The ways in which a sign-in cannot begin. Every other error says that the store
// cannot tell.
var (
	// ErrTooMany: a client begins too many sign-ins.
	ErrTooMany = errors.New("too many sign-ins were begun from this network")
	// ErrBusy: all clients together do.
	ErrBusy = fmt.Errorf("%d sign-ins were begun within %s, from many networks; nobody can begin one until that time is over", maxBegunByAll, transactionTime)
)

// admit counts a sign-in that begins, and returns the key of its place among those
// that are kept.
func (v *Visit) admit(ctx context.Context, in store.Store) (place string, err error) {
	span := v.Sessions.Now().UnixNano() / int64(transactionTime)
	all := "login-begun-by-all/" + strconv.FormatInt(span, 10)
	// First, so that nothing is counted by client any more: that takes room as well.
	if counted, err := in.Get(ctx, all); err == nil {
		if begun, err := strconv.Atoi(string(counted)); err != nil || begun >= maxBegunByAll {
			return "", ErrBusy
		}
	} else if !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	switch begun, err := in.Count(ctx, "login-begun/"+networkOf(v.Client), transactionTime); {
	case err != nil:
		return "", err
	case begun > maxBegun:
		return "", ErrTooMany
	}
	begun, err := in.Count(ctx, all, 2*transactionTime)
	// Two spans take turns: what began in one is over before its turn comes again.
	return fmt.Sprintf("login-place/%d/%d", span%2, begun%maxPending), err
}

// displace puts the key of a transaction in a place, and ends the one that was
// there.
func displace(ctx context.Context, in store.Store, place, key string) error {
	old, err := in.Get(ctx, place)
	if err == nil {
		err = in.Delete(ctx, string(old))
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return in.Put(ctx, place, store.Item{Value: []byte(key), Lifetime: transactionTime})
}

// encode returns the transaction as it is stored. Whoever asks for so much that it
// takes too many bytes comes back to the root of the site.
func (t Transaction) encode() ([]byte, error) {
	encoded, err := compact(t)
	if len(encoded) > maxTransaction {
		t.ReturnTo = "/"
		encoded, err = compact(t)
	}
	if len(encoded) > maxTransaction {
		return nil, fmt.Errorf("it takes %d bytes, more than %d", len(encoded), maxTransaction)
	}
	return encoded, err
}

// compact encodes a value without the escapes for HTML, which make six bytes of
// one that a stranger chose.
func compact(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
