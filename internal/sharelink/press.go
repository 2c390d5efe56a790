package sharelink

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// A browser whose button is pressed twice sends the form twice, and keeps the cookie of the
// second answer alone. So each page of a link has an ID, and all its forms make one guest and
// count as one use, on whichever machines they arrive.

// pressField is the name of the form's field with the ID of the page, and maxFormBytes is the
// maximum size of a form.
const (
	pressField   = "press"
	maxFormBytes = 1 << 10
)

const (
	// pressClaim is how long the first form of a page may take, and pressLifetime how long
	// the ones after it get the same guest.
	pressClaim    = 10 * time.Second
	pressLifetime = 10 * time.Minute
	// pressPoll is how often a later form looks whether the first is done, and pressPolls
	// is how many times.
	pressPoll  = 50 * time.Millisecond
	pressPolls = 100
)

// errPressed is the error of a form while the first one of its page is not done.
var errPressed = errors.New("another form of the same page is not done")

// readPress returns the ID of the page whose form was submitted, or "" if there is none.
func readPress(w http.ResponseWriter, r *http.Request) string {
	body := request.NewTimedBody(w, r)
	defer body.Stop()
	r.Body = http.MaxBytesReader(w, body, maxFormBytes)
	if r.ParseForm() != nil {
		return ""
	}
	return r.PostForm.Get(pressField)
}

// pressKey returns the key of the record of a page, or "" if the page has no ID or needs no
// record: a link without a limit has a use for each of its forms.
func (l *Link) pressKey(press string) string {
	if l.Uses == 0 || !isSecret(press) {
		return ""
	}
	return pressPrefix + l.ID + "/" + ids.EncodeToString(hashOf(press))
}

// claim makes the caller the first form of a page, or returns the cookie that the first one
// got. The claim comes before the use is counted, so that who finds no use left finds it.
func (l *Links) claim(ctx context.Context, link *Link, key string) (cookie string, err error) {
	if err := l.CheckUses(ctx, link); errors.Is(err, ErrDead) {
		return l.pressed(ctx, key, err)
	} else if err != nil {
		return "", err
	}
	item := store.Item{Lifetime: min(pressClaim, link.Until.Sub(l.now())), Owners: []string{ownerPrefix + link.ID}}
	first, err := l.store.PutNew(ctx, key, item)
	switch {
	case err != nil:
		return "", fmt.Errorf("opening a share link: %w", err)
	case first:
		return "", nil
	}
	return l.pressed(ctx, key, ErrDead)
}

// pressed waits for the cookie of the first form of a page. Without a first form, or if that
// was refused, it returns the error otherwise.
func (l *Links) pressed(ctx context.Context, key string, otherwise error) (cookie string, err error) {
	for range pressPolls {
		value, err := l.store.Get(ctx, key)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return "", otherwise
		case err != nil:
			return "", fmt.Errorf("opening a share link: %w", err)
		case len(value) > 0:
			return string(value), nil
		}
		select {
		case <-time.After(pressPoll):
		case <-ctx.Done():
			return "", errPressed
		}
	}
	return "", errPressed
}

// finish ends the claim of the first form of a page: later ones get the same cookie, or are
// refused like the first. Where the store fails, they are refused once the claim ends.
func (l *Links) finish(ctx context.Context, link *Link, key, cookie string) {
	if cookie == "" {
		_ = l.store.Delete(ctx, key)
		return
	}
	_ = l.store.Put(ctx, key, store.Item{Value: []byte(cookie), Lifetime: min(pressLifetime, link.Until.Sub(l.now())), Owners: []string{ownerPrefix + link.ID}})
}
