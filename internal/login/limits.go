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

	"github.com/policyauth/caddy-policy-auth/internal/netutil"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// These limits bound what clients without a session can store, from any number of
// networks: twice maxPending transactions of maxTransactionBytes (96 MiB, less than
// half of a store's limit), as many browser slots and used marks, and counterBuckets
// counters. Signed-in users are not affected, and other users can still sign in.
const (
	// maxPerClient is how many sign-ins a client may begin within transactionTime.
	maxPerClient = 300
	// maxPending is how many sign-ins are stored of those that begin in one period
	// of transactionTime. One more replaces the oldest: during a flood, users have
	// less time to sign in.
	maxPending = 1 << 13
	// maxTransactionBytes is the maximum size of a stored transaction, in bytes.
	maxTransactionBytes = 6 << 10
	// counterBuckets is the number of counters that all networks share.
	counterBuckets = 1 << 16
)

// ErrTooMany is the error of a client that begins too many sign-ins. Every other
// error means that the store is unavailable.
var ErrTooMany = errors.New("too many sign-ins were begun from this network")

// bucketSeed keeps an attacker from choosing a network that shares a counter with a
// victim's. Each machine has its own.
var bucketSeed = maphash.MakeSeed()

// counterKey returns the key of the counter that the client's network shares with a
// few others.
func counterKey(what string, client netip.Addr) string {
	return what + "/" + strconv.FormatUint(maphash.Comparable(bucketSeed, netutil.Network(client))%counterBuckets, 10)
}

// countBegun counts a new sign-in and returns the key of its slot among all stored
// sign-ins of the site.
func (v *Request) countBegun(ctx context.Context, in store.Store) (place string, err error) {
	switch begun, err := in.Count(ctx, counterKey("login-begun", v.Client), transactionTime); {
	case err != nil:
		return "", err
	case begun > maxPerClient:
		return "", ErrTooMany
	}
	span := v.Sessions.Now().UnixNano() / int64(transactionTime)
	begun, err := in.Count(ctx, "login-begun-by-all/"+strconv.FormatInt(span, 10), 2*transactionTime)
	// Two spans take turns: the sign-ins of one have expired before it is used again.
	return fmt.Sprintf("login-place/%d/%d", span%2, begun%maxPending), err
}

// claimSiteSlot stores the key of a transaction and of its browser slot in a slot
// of the site, and deletes the transaction that it replaces.
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

// encode returns the stored form of a transaction. If it exceeds
// maxTransactionBytes because of a long URL, it returns to the root of the site.
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

// marshalCompact encodes JSON without HTML escapes, with which one byte of a
// client's input can take six.
func marshalCompact(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// maxPerBrowser is how many unfinished sign-ins a browser may have, for users who
// sign in in several tabs. One more replaces the oldest (S-31).
const maxPerBrowser = 16

// claimBrowserSlot stores a transaction in one of its browser's slots, and deletes
// the transaction that it replaces. The first transaction of a browser takes one
// store operation.
func claimBrowserSlot(ctx context.Context, in store.Store, browser, key string, began int64) (slot string, err error) {
	name := "login-slot/" + digest(browser, "slots") + "/"
	item := store.Item{Value: fmt.Appendf(nil, "%020d %s", began, key), Lifetime: 2 * transactionTime}
	for i := range maxPerBrowser {
		slot = name + strconv.Itoa(i)
		if first, err := in.PutNew(ctx, slot, item); err != nil || first {
			return slot, err
		}
	}
	oldest := ""
	for i := range maxPerBrowser {
		at := name + strconv.Itoa(i)
		value, err := in.Get(ctx, at)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return "", err
		}
		if text := string(value); i == 0 || text < oldest {
			slot, oldest = at, text
		}
	}
	if _, old, ok := strings.Cut(oldest, " "); ok {
		if err := deleteTransaction(ctx, in, old); err != nil {
			return "", err
		}
	}
	return slot, in.Put(ctx, slot, item)
}

// deleteTransaction deletes a transaction and then its used mark. In the other
// order, it could be used again in between.
func deleteTransaction(ctx context.Context, in store.Store, key string) error {
	return errors.Join(in.Delete(ctx, key), in.Delete(ctx, usedKey(key)))
}
