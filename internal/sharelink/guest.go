package sharelink

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// maxGuests is the maximum number of guests of a link who have a record. One more takes the
// place of the first, who has to open the link again.
const maxGuests = 1000

// key returns the key of a guest's record.
func (t ticket) key() string { return guestPrefix + t.id + "/" + strconv.Itoa(t.place) }

// CheckUses returns ErrDead for a link that cannot be opened once more.
func (l *Links) CheckUses(ctx context.Context, link *Link) error {
	if link.Uses == 0 {
		return nil
	}
	used, err := l.store.Counted(ctx, usedPrefix+link.ID)
	switch {
	case err != nil:
		return fmt.Errorf("counting the uses of a share link: %w", err)
	case used >= link.Uses:
		return fmt.Errorf("%w: the link %s was used %d times", ErrDead, link.ID, link.Uses)
	}
	return nil
}

// Open counts a use of a link and returns the value of the cookie of a new guest, or
// ErrDead if the link was used too often. Of several concurrent calls, on any machines, no
// more than the link's uses succeed. Press is the ID of the page whose button was pressed, or
// "": a page whose form is submitted again is known, and gets the cookie of its guest.
func (l *Links) Open(ctx context.Context, link *Link, press string) (cookie string, known bool, err error) {
	key := link.pressKey(press)
	if key == "" {
		cookie, err = l.open(ctx, link)
		return cookie, false, err
	}
	if cookie, err = l.claim(ctx, link, key); err != nil || cookie != "" {
		return cookie, true, err
	}
	ctx = context.WithoutCancel(ctx) // the browser may be gone, and waits for the answer to its next form
	cookie, err = l.open(ctx, link)
	l.finish(ctx, link, key, cookie)
	return cookie, false, err
}

// open counts a use of a link and makes a guest.
func (l *Links) open(ctx context.Context, link *Link) (cookie string, err error) {
	if err := l.CheckUses(ctx, link); err != nil {
		return "", err
	}
	left := link.Until.Sub(l.now())
	used, err := l.store.Count(ctx, usedPrefix+link.ID, left)
	switch {
	case err != nil:
		return "", fmt.Errorf("counting the uses of a share link: %w", err)
	case link.Uses > 0 && used > link.Uses:
		return "", fmt.Errorf("%w: the link %s was used %d times", ErrDead, link.ID, link.Uses)
	}
	guest := ticket{id: link.ID, place: (used - 1) % maxGuests, secret: newSecret()}
	item := store.Item{Value: hashOf(guest.secret), Lifetime: left, Owners: []string{ownerPrefix + link.ID}, Sync: true}
	if err := l.store.Put(ctx, guest.key(), item); err != nil {
		return "", fmt.Errorf("storing a guest: %w", err)
	}
	return guest.String(), nil
}

// Guest returns the link of a guest's cookie on a host, or ErrDead.
func (l *Links) Guest(ctx context.Context, host, cookie string) (*Link, error) {
	guest, ok := parseTicket(cookie)
	if !ok {
		return nil, ErrDead
	}
	link, err := l.get(ctx, host, guest.id)
	if err != nil {
		return nil, err
	}
	hash, err := l.store.Get(ctx, guest.key())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, ErrDead
	case err != nil:
		return nil, fmt.Errorf("looking up a guest: %w", err)
	case !hasHash(guest.secret, hash):
		return nil, ErrDead
	}
	return link, nil
}

// EndGuest ends the guest of a cookie on a host, if there is one.
func (l *Links) EndGuest(ctx context.Context, host, cookie string) error {
	switch _, err := l.Guest(ctx, host, cookie); {
	case errors.Is(err, ErrDead):
		return nil
	case err != nil:
		return err
	}
	guest, _ := parseTicket(cookie)
	if err := l.store.Delete(ctx, guest.key()); err != nil {
		return fmt.Errorf("ending a guest: %w", err)
	}
	return nil
}
