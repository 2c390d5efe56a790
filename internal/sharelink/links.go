package sharelink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// The prefixes of keys in the store, each before a link's ID. No other version and no other
// part of this module reads them.
const (
	linkPrefix  = "link.1/"
	guestPrefix = "link.1-guest/"
	usedPrefix  = "link.1-used/"
	pressPrefix = "link.1-press/"
)

// ownerOfAll is the owner of all links, and ownerPrefix begins the owner of all records of
// one link.
const (
	ownerOfAll  = "links"
	ownerPrefix = "link/"
)

// maxLinks is the maximum number of links in a store.
const maxLinks = 10_000

// ErrDead is the error of a token or a cookie that opens nothing: it is forged, or its link
// expired, was revoked, was used too often or is for another host. Every other error means
// that the store is unavailable.
var ErrDead = errors.New("the share link does not exist any more")

// ErrRefused is the error of a link that cannot be added, although the store is available.
var ErrRefused = errors.New("the share link was refused")

// Links are the share links in a store. They are safe for concurrent use.
type Links struct {
	store *store.Sealed
	now   func() time.Time
}

// New returns the links in a store. Now is the clock; nil means time.Now.
func New(in *store.Sealed, now func() time.Time) *Links {
	if now == nil {
		now = time.Now
	}
	return &Links{store: in, now: now}
}

// Now returns the time of the clock.
func (l *Links) Now() time.Time { return l.now() }

// Add stores a link that Spec.Parse returned, which lasts at most maxAge, and returns it with
// its ID, and its token. The token is in no record and cannot be shown again.
func (l *Links) Add(ctx context.Context, link Link, maxAge time.Duration) (*Link, string, error) {
	if err := link.limit(maxAge); err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrRefused, err)
	}
	stored, err := l.store.Owned(ctx, ownerOfAll)
	switch {
	case err != nil:
		return nil, "", fmt.Errorf("counting share links: %w", err)
	case len(stored) >= maxLinks:
		return nil, "", fmt.Errorf("%w: the store has %d already: revoke some", ErrRefused, len(stored))
	}
	token := newSecret()
	link.Hash = hashOf(token)
	link.ID = idOf(link.Hash)
	value, err := json.Marshal(link)
	if err != nil {
		return nil, "", fmt.Errorf("encoding a share link: %w", err)
	}
	item := store.Item{Value: value, Lifetime: link.Until.Sub(l.now()), Owners: []string{ownerOfAll, ownerPrefix + link.ID}, Sync: true}
	added, err := l.store.PutNew(ctx, linkPrefix+link.ID, item)
	switch {
	case err != nil:
		return nil, "", fmt.Errorf("storing a share link: %w", err)
	case !added:
		return nil, "", errors.New("storing a share link: another one has its ID; try again")
	}
	return &link, token, nil
}

// List returns the links, the one that ends first before the others.
func (l *Links) List(ctx context.Context) ([]*Link, error) {
	entries, err := l.store.Owned(ctx, ownerOfAll)
	if err != nil {
		return nil, fmt.Errorf("listing share links: %w", err)
	}
	links := make([]*Link, 0, len(entries))
	for _, e := range entries {
		link, err := l.decode(strings.TrimPrefix(e.Key, linkPrefix), e.Value)
		if err != nil {
			continue // it expired meanwhile
		}
		if link.Used, err = l.store.Counted(ctx, usedPrefix+link.ID); err != nil {
			return nil, fmt.Errorf("listing share links: %w", err)
		}
		if link.Uses > 0 {
			link.Used = min(link.Used, link.Uses) // one that was refused may be counted too
		}
		links = append(links, link)
	}
	slices.SortStableFunc(links, func(a, b *Link) int { return a.Until.Compare(b.Until) })
	return links, nil
}

// Revoke deletes a link with its guests, and reports whether there was one.
func (l *Links) Revoke(ctx context.Context, id string) (bool, error) {
	if !isID(id) {
		return false, nil
	}
	keys, err := l.store.DeleteOwner(ctx, ownerPrefix+id)
	if err == nil {
		err = l.store.Delete(ctx, usedPrefix+id)
	}
	if err != nil {
		return false, fmt.Errorf("revoking a share link: %w", err)
	}
	return slices.Contains(keys, linkPrefix+id), nil
}

// Find returns the link of a token on a host, or ErrDead with the cause. It stores nothing.
func (l *Links) Find(ctx context.Context, host, token string) (*Link, error) {
	if !isSecret(token) {
		return nil, fmt.Errorf("%w: it is not a token", ErrDead)
	}
	link, err := l.get(ctx, host, idOf(hashOf(token)))
	if err != nil {
		return nil, err
	}
	if !hasHash(token, link.Hash) {
		return nil, ErrDead
	}
	return link, nil
}

// get returns the link with an ID that counts on a host.
func (l *Links) get(ctx context.Context, host, id string) (*Link, error) {
	value, err := l.store.Get(ctx, linkPrefix+id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, ErrDead
	case err != nil:
		return nil, fmt.Errorf("looking up a share link: %w", err)
	}
	link, err := l.decode(id, value)
	if err != nil {
		return nil, err
	}
	if link.Host != host {
		return nil, fmt.Errorf("%w: the link %s is for %s", ErrDead, id, link.Host)
	}
	return link, nil
}

// decode returns the link of a record, or ErrDead if it expired.
func (l *Links) decode(id string, value []byte) (*Link, error) {
	link := &Link{ID: id}
	if err := json.Unmarshal(value, link); err != nil {
		return nil, fmt.Errorf("%w: its record is damaged: %w", ErrDead, err)
	}
	if !l.now().Before(link.Until) {
		return nil, fmt.Errorf("%w: the link %s expired", ErrDead, id)
	}
	return link, nil
}
