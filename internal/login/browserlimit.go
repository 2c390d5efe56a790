package login

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/store"
)

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
