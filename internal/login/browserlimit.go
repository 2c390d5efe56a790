package login

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// maxPerBrowser is how many transactions are kept of a browser: people sign in in
// several tabs at once. One more takes the place of the oldest (S-31).
const maxPerBrowser = 16

// claimBrowserSlot gives a transaction one of its browser's slots, and ends the transaction
// that it takes the place of. A new browser's first transaction costs one step.
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

// deleteTransaction deletes a transaction. Its mark goes after it, without which it cannot be taken.
func deleteTransaction(ctx context.Context, in store.Store, key string) error {
	return errors.Join(in.Delete(ctx, key), in.Delete(ctx, usedKey(key)))
}
