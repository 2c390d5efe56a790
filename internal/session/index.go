package session

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/person"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// The prefixes of keys in the store, each before a session's ID. Earlier versions
// used session/ and did not seal records: neither reads the records of the other.
const (
	recordPrefix  = "session.1/"
	usedPrefix    = "session.1-used/"
	refreshPrefix = "session.1-refresh/"
)

// sessionKeys returns the store keys of all items of a session.
func sessionKeys(id string) []string {
	return []string{recordPrefix + id, usedPrefix + id, refreshPrefix + id}
}

// ownerOfAll is the owner of all items of all sessions.
const ownerOfAll = "sessions"

// owners returns the owners of a session's items. All items have the same owners,
// so that deleting the items of one owner ends whole sessions.
func (r Record) owners() []string {
	owners := []string{ownerOfAll, personOwner(r.Person), userOwner(r.Identity.ID)}
	if name := r.Identity.Username; name != "" && name != r.Identity.ID {
		owners = append(owners, userOwner(name))
	}
	if r.SID != "" {
		owners = append(owners, sidOwner(r.Identity.Issuer, r.SID))
	}
	return owners
}

// personOwner is the owner of everything that counts, lists or ends for one person
// (S-17).
func personOwner(p person.Person) string { return "person/" + p.Key() }

// userOwner is the owner of all people with an ID or a name, for operators alone: who
// searches by name sees or ends more than one person's sessions, and grants nothing.
func userOwner(name string) string { return "user/" + person.Hash(name) }

func sidOwner(issuer, sid string) string { return "sid/" + person.Hash(issuer, sid) }

// List returns the sessions of all people with an ID or a user name, ordered by their
// beginning. An empty user means all users.
func (g *Registry) List(ctx context.Context, user string) ([]*Session, error) {
	return g.listOwned(ctx, ownerOf(user))
}

func ownerOf(user string) string {
	if user == "" {
		return ownerOfAll
	}
	return userOwner(user)
}

// ListBySID returns the sessions with an issuer's session ID (the claim sid of
// OpenID Connect).
func (g *Registry) ListBySID(ctx context.Context, issuer, sid string) ([]*Session, error) {
	return g.listOwned(ctx, sidOwner(issuer, sid))
}

// ListByPerson returns a person's sessions.
func (g *Registry) ListByPerson(ctx context.Context, p person.Person) ([]*Session, error) {
	return g.listOwned(ctx, personOwner(p))
}

// listOwned returns an owner's sessions in one pass over the store.
func (g *Registry) listOwned(ctx context.Context, owner string) ([]*Session, error) {
	entries, err := g.store.Owned(ctx, owner)
	if err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	var found []*Session
	uses := map[string][]byte{}
	for _, e := range entries {
		if id, ok := strings.CutPrefix(e.Key, usedPrefix); ok {
			uses[id] = e.Value
			continue
		}
		s, err := g.decodeEntry(ctx, e)
		if err != nil {
			return nil, err
		}
		if s != nil {
			found = append(found, s)
		}
	}
	for _, s := range found {
		if sealed := uses[s.ID]; sealed != nil {
			if err := g.readLastUsed(ctx, s, sealed); err != nil {
				return nil, fmt.Errorf("listing sessions: %w", err)
			}
		}
	}
	slices.SortFunc(found, func(a, b *Session) int { return a.Created.Compare(b.Created) })
	return found, nil
}

// decodeEntry returns the session of a store entry, or nil if the entry is no valid
// session.
func (g *Registry) decodeEntry(ctx context.Context, e store.Entry) (*Session, error) {
	id, ok := strings.CutPrefix(e.Key, recordPrefix)
	sum, err := base64.RawURLEncoding.DecodeString(id)
	if !ok || err != nil || len(sum) != sha256.Size {
		return nil, nil
	}
	if held, known := g.cache.GetIfPresent(idHash(sum)); known && string(held.raw) == string(e.Value) {
		return held, nil
	}
	record, err := g.open(ctx, e.Key, e.Value)
	if errors.Is(err, ErrEnded) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s := newSession(idHash(sum), record, e.Value)
	s.markUsed(record.Created.UnixNano())
	return s, nil
}

// evictOldest ends a person's oldest sessions so that one more does not exceed the limit.
// Invalid records are removed first.
func (g *Registry) evictOldest(ctx context.Context, p person.Person, limit int) error {
	entries, err := g.store.Owned(ctx, personOwner(p))
	if err != nil {
		return fmt.Errorf("counting a person's sessions: %w", err)
	}
	entries = slices.DeleteFunc(entries, func(e store.Entry) bool { return !strings.HasPrefix(e.Key, recordPrefix) })
	excess := len(entries) - limit + 1
	if excess <= 0 {
		return nil
	}
	created := map[string]time.Time{}
	for _, e := range entries {
		s, err := g.decodeEntry(ctx, e)
		if err != nil {
			return err
		}
		if s != nil {
			created[e.Key] = s.Created
		}
	}
	slices.SortFunc(entries, func(a, b store.Entry) int { return created[a.Key].Compare(created[b.Key]) })
	ids := make([]string, excess)
	for i, e := range entries[:excess] {
		ids[i] = strings.TrimPrefix(e.Key, recordPrefix)
	}
	return g.End(ctx, ids...)
}

// End ends sessions by their IDs in one transaction and deletes all their items.
// Unknown IDs are ignored.
func (g *Registry) End(ctx context.Context, ids ...string) error {
	var keys []string
	for _, id := range ids {
		keys = append(keys, sessionKeys(id)...)
	}
	if err := g.store.Delete(ctx, keys...); err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	return nil
}

// EndUser ends the sessions of all people with an ID or a user name, in one
// transaction, and returns their number. An empty user means all users.
func (g *Registry) EndUser(ctx context.Context, user string) (int, error) {
	keys, err := g.store.DeleteOwner(ctx, ownerOf(user))
	ended := 0
	for _, key := range keys {
		if strings.HasPrefix(key, recordPrefix) {
			ended++
		}
	}
	if err != nil {
		return ended, fmt.Errorf("ending sessions: %w", err)
	}
	return ended, nil
}
