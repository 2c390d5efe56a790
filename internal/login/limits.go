package login

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/netutil"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// What strangers can leave in the store, who have yet to sign in, is bounded, from
// however many networks they come: twice maxPending transactions of maxTransaction,
// 96 MiB, less than half of what a store holds, as many slots of browsers and marks
// of those that were taken, and as many counters as there are shares. People who are signed in already notice
// nothing, and no user is kept from signing in.
const (
	// transactionTime is how long a user may take to sign in elsewhere (R-OID-3).
	transactionTime = 10 * time.Minute
	// maxPerClient is how many sign-ins a client may begin within transactionTime.
	maxPerClient = 300
	// maxPending is how many are kept of those that begin in a span, one
	// transactionTime on the clock. One more takes the place of the oldest: while
	// a client floods the site, others have to be quicker.
	maxPending = 1 << 13
	// maxTransactionBytes is how many bytes each may take.
	maxTransactionBytes = 6 << 10
	// counterBuckets is how many counters stand for all networks.
	counterBuckets = 1 << 16
)

// ErrTooMany means that a client begins too many sign-ins. Every other error means
// that the store failed.
var ErrTooMany = errors.New("too many sign-ins were begun from this network")

// bucketSeed keeps strangers from choosing a network that shares a counter with
// another's. On several machines a counter stands for other networks on each.
var bucketSeed = maphash.MakeSeed()

// counterKey returns the key of the counter that a client shares with a few others.
func counterKey(what string, client netip.Addr) string {
	return what + "/" + strconv.FormatUint(maphash.Comparable(bucketSeed, netutil.Network(client))%counterBuckets, 10)
}

// countBegun counts a sign-in that begins, and returns the key of its place among those
// that are kept.
func (v *Request) countBegun(ctx context.Context, in store.Store) (place string, err error) {
	switch begun, err := in.Count(ctx, counterKey("login-begun", v.Client), transactionTime); {
	case err != nil:
		return "", err
	case begun > maxPerClient:
		return "", ErrTooMany
	}
	span := v.Sessions.Now().UnixNano() / int64(transactionTime)
	begun, err := in.Count(ctx, "login-begun-by-all/"+strconv.FormatInt(span, 10), 2*transactionTime)
	// Two spans take turns: what began in one is over before its turn comes again.
	return fmt.Sprintf("login-place/%d/%d", span%2, begun%maxPending), err
}

// claimSiteSlot puts a transaction, its key and its browser's slot, in a place, and ends
// the one that was there.
func claimSiteSlot(ctx context.Context, in store.Store, place, transaction string) error {
	switch old, err := in.Get(ctx, place); {
	case err == nil:
		key, slot, _ := strings.Cut(string(old), "\n")
		if err := deleteTransaction(ctx, in, key); err != nil {
			return err
		}
		if err := in.Delete(ctx, slot); err != nil {
			return err
		}
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	return in.Put(ctx, place, store.Item{Value: []byte(transaction), Lifetime: 2 * transactionTime})
}

// encode returns the transaction as it is stored. A request for so much that it
// takes too many bytes comes back to the root of the site.
func (t Transaction) encode() ([]byte, error) {
	encoded, err := marshalCompact(t)
	if len(encoded) > maxTransactionBytes {
		t.ReturnTo = "/"
		encoded, err = marshalCompact(t)
	}
	if len(encoded) > maxTransactionBytes {
		return nil, fmt.Errorf("it takes %d bytes, more than %d", len(encoded), maxTransactionBytes)
	}
	return encoded, err
}

// marshalCompact encodes a value without the escapes for HTML, which make six bytes of
// one that a stranger chose.
func marshalCompact(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
