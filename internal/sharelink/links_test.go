package sharelink

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// env are share links in a store in memory, with a clock.
type env struct {
	*Links
	*recorder
	time time.Time
}

// recorder counts what is written to a store, and can be unavailable.
type recorder struct {
	store.Store
	reads, writes atomic.Int64
	down          bool
	stale         bool   // counters are read from a cache that does not have them yet
	claimed       func() // is called after each item that was new; nil is none
}

func (r *recorder) Get(ctx context.Context, key string) ([]byte, error) {
	r.reads.Add(1)
	switch {
	case r.down:
		return nil, store.ErrUnavailable
	case r.stale && strings.HasPrefix(key, usedPrefix):
		return nil, store.ErrNotFound
	}
	return r.Store.Get(ctx, key)
}

func (r *recorder) Put(ctx context.Context, key string, item store.Item) error {
	r.writes.Add(1)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return r.Store.Put(ctx, key, item)
}

func (r *recorder) PutNew(ctx context.Context, key string, item store.Item) (bool, error) {
	r.writes.Add(1)
	if r.claimed != nil {
		defer r.claimed()
	}
	return r.Store.PutNew(ctx, key, item)
}

func (r *recorder) Count(ctx context.Context, key string, window time.Duration) (int, error) {
	r.writes.Add(1)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	return r.Store.Count(ctx, key, window)
}

func newEnv(t *testing.T) *env {
	t.Helper()
	e := &env{time: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return e.time }
	e.recorder = &recorder{Store: store.NewMemory(now)}
	e.Links = New(store.NewSealed(e.recorder, store.NewSealer(store.Secret(make([]byte, store.SecretSize)), nil)), now)
	return e
}

const host = "photos.example.com"

// add makes a link for https://photos.example.com/2026/*.
func (e *env) add(t *testing.T, uses int) (*Link, string) {
	t.Helper()
	link, origin, err := Spec{URLs: []string{"https://photos.example.com/2026/*"}, Until: "7d", Name: "summer", Uses: uses}.Parse(e.time)
	if err != nil || origin != "https://photos.example.com" {
		t.Fatal(origin, err)
	}
	added, token, err := e.Add(t.Context(), link, DefaultMaxAge)
	if err != nil {
		t.Fatal(err)
	}
	return added, token
}

// TestS19Token: a token has 128 random bits, and the store has its hash alone, sealed (S-41).
func TestS19Token(t *testing.T) {
	e := newEnv(t)
	link, token := e.add(t, 0)
	other, second := e.add(t, 0)
	if len(token) != 22 || token == second || link.ID == other.ID {
		t.Errorf("%q, %q", token, second)
	}
	found, err := e.Find(t.Context(), host, token)
	if err != nil || found.ID != link.ID || found.Name != "summer" || !found.Until.Equal(e.time.Add(7*24*time.Hour)) {
		t.Errorf("%+v, %v", found, err)
	}
	entries, _ := e.recorder.Owned(t.Context(), ownerOfAll)
	for _, entry := range entries {
		if text := string(entry.Value); !strings.HasPrefix(entry.Key, linkPrefix) || strings.Contains(text, "summer") || strings.Contains(text, token) || strings.Contains(entry.Key, token) {
			t.Errorf("S-41 the store has %q: %q", entry.Key, text)
		}
	}
	if err := e.recorder.Put(t.Context(), linkPrefix+link.ID, store.Item{Value: entries[0].Value[1:], Lifetime: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Find(t.Context(), host, token); !errors.Is(err, ErrDead) {
		t.Errorf("S-41 a record that another program wrote: %v", err)
	}
}

// TestS19DeadTokens: what opens nothing is one error, costs no write, and is dead by its
// absence from the store (S-40).
func TestS19DeadTokens(t *testing.T) {
	e := newEnv(t)
	_, good := e.add(t, 0)
	revoked, gone := e.add(t, 0)
	if there, err := e.Revoke(t.Context(), revoked.ID); !there || err != nil {
		t.Fatal(there, err)
	}
	if there, err := e.Revoke(t.Context(), revoked.ID); there || err != nil {
		t.Error("revoked twice", err)
	}
	before := e.writes.Load()
	for name, test := range map[string]struct{ host, token string }{
		"S-19 guessed":         {host, newSecret()},
		"S-19 forged":          {host, good[:len(good)-1] + "!"},
		"S-19 empty":           {host, ""},
		"S-19 long":            {host, strings.Repeat("a", 10<<10)},
		"S-19 more behind it":  {host, good + "/x"},
		"S-19 on another site": {"files.example.com", good},
		"S-40 revoked":         {host, gone},
	} {
		if _, err := e.Find(t.Context(), test.host, test.token); !errors.Is(err, ErrDead) {
			t.Errorf("%s: %v", name, err)
		}
	}
	reads := e.reads.Load()
	for _, token := range []string{"", good[1:], good + "/x", strings.Repeat("a", 10<<10), good[:21] + "%", good[:21] + "\x00"} {
		if _, err := e.Find(t.Context(), host, token); !errors.Is(err, ErrDead) || e.reads.Load() != reads {
			t.Errorf("%.30q, which is no token: %v, after %d reads", token, err, e.reads.Load()-reads)
		}
	}
	e.time = e.time.Add(7 * 24 * time.Hour)
	if _, err := e.Find(t.Context(), host, good); !errors.Is(err, ErrDead) {
		t.Errorf("S-19 expired: %v", err)
	}
	if e.writes.Load() != before {
		t.Error("a dead token costs a write")
	}
	if e.down = true; true {
		if _, err := e.Find(t.Context(), host, good); err == nil || errors.Is(err, ErrDead) {
			t.Errorf("while the store is unavailable: %v", err)
		}
	}
}

// TestS19WholeHash: the whole hash of a token is compared, of which the ID is a part.
func TestS19WholeHash(t *testing.T) {
	e := newEnv(t)
	token := newSecret()
	hash := hashOf(token)
	hash[len(hash)-1]++
	value, err := json.Marshal(Link{Hash: hash, Host: host, Paths: []Path{"/*"}, Until: e.time.Add(time.Hour)})
	if err == nil {
		err = e.Links.store.Put(t.Context(), linkPrefix+idOf(hash), store.Item{Value: value, Lifetime: time.Hour})
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Find(t.Context(), host, token); !errors.Is(err, ErrDead) {
		t.Errorf("a token with the ID of a link and another hash: %v", err)
	}
}

// TestS19Expiry: the record itself says when a link ends, also if the store keeps it longer.
func TestS19Expiry(t *testing.T) {
	link := &Link{Until: time.Date(2026, 7, 8, 0, 0, 0, 0, time.UTC)}
	l := New(nil, func() time.Time { return link.Until })
	if _, err := l.decode("a", []byte(`{"until":"2026-07-08T00:00:00Z"}`)); !errors.Is(err, ErrDead) {
		t.Errorf("at its end: %v", err)
	}
	if _, err := l.decode("a", []byte(`{"until":"2026-07-08T00:00:01Z"}`)); err != nil {
		t.Errorf("before its end: %v", err)
	}
}

// TestAddRefused: what is too long, or too much, is not added.
func TestAddRefused(t *testing.T) {
	e := newEnv(t)
	link, _, err := Spec{URLs: []string{"https://photos.example.com/2026/*"}, Until: "60d"}.Parse(e.time)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.Add(t.Context(), link, DefaultMaxAge); !errors.Is(err, ErrRefused) {
		t.Errorf("60 days: %v", err)
	}
	for i := range maxLinks {
		if err := e.Links.store.Put(t.Context(), linkPrefix+strconv.Itoa(i), store.Item{Lifetime: time.Hour, Owners: []string{ownerOfAll}}); err != nil {
			t.Fatal(err)
		}
	}
	link.Until = e.time.Add(time.Hour)
	if _, _, err := e.Add(t.Context(), link, DefaultMaxAge); !errors.Is(err, ErrRefused) {
		t.Errorf("one more than %d: %v", maxLinks, err)
	}
}

// TestRevoke: only the ID of a link revokes, and its uses do not count any more.
func TestRevoke(t *testing.T) {
	e := newEnv(t)
	link, _ := e.add(t, 1)
	if _, _, err := e.Open(t.Context(), link, ""); err != nil {
		t.Fatal(err)
	}
	if err := e.recorder.Put(t.Context(), "other", store.Item{Lifetime: time.Hour, Owners: []string{ownerPrefix + "x"}}); err != nil {
		t.Fatal(err)
	}
	if there, err := e.Revoke(t.Context(), "x"); there || err != nil {
		t.Error(there, err)
	}
	if _, err := e.recorder.Get(t.Context(), "other"); err != nil {
		t.Errorf("what is no link is gone: %v", err)
	}
	if there, err := e.Revoke(t.Context(), link.ID); !there || err != nil {
		t.Fatal(there, err)
	}
	if used, err := e.Links.store.Counted(t.Context(), usedPrefix+link.ID); used != 0 || err != nil {
		t.Errorf("%d uses are left, %v", used, err)
	}
}

// TestS19Uses: of concurrent uses, as many succeed as the link has.
func TestS19Uses(t *testing.T) {
	e := newEnv(t)
	link, _ := e.add(t, 3)
	e.stale = true // as on a machine that has read the counter just before
	var opened, refused atomic.Int64
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			switch _, _, err := e.Open(t.Context(), link, ""); {
			case err == nil:
				opened.Add(1)
			case errors.Is(err, ErrDead):
				refused.Add(1)
			}
		})
	}
	wait.Wait()
	if opened.Load() != 3 || refused.Load() != 17 {
		t.Errorf("%d opened, %d refused", opened.Load(), refused.Load())
	}
	e.stale = false
	before := e.writes.Load()
	if _, _, err := e.Open(t.Context(), link, ""); !errors.Is(err, ErrDead) || e.writes.Load() != before {
		t.Errorf("a link without uses left: %v, %d writes", err, e.writes.Load()-before)
	}
	list, err := e.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Uses != 3 || list[0].Used != 3 {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestS19Guests: a guest counts while its own record and that of the link are in the store
// (S-40), on the link's host alone.
func TestS19Guests(t *testing.T) {
	e := newEnv(t)
	link, token := e.add(t, 0)
	cookie, _, err := e.Open(t.Context(), link, "")
	if err != nil || strings.Contains(cookie, token) {
		t.Fatal(cookie, err)
	}
	if found, err := e.Guest(t.Context(), host, cookie); err != nil || found.ID != link.ID {
		t.Errorf("%+v, %v", found, err)
	}
	id := link.Identity()
	if id.Authenticated || id.Kind != "guest" || id.ID != "link:"+link.ID || id.Method != "link" || id.Username != "" || id.Email != "" || len(id.Roles)+len(id.Groups)+len(id.Scopes)+len(id.Claims) > 0 {
		t.Errorf("%+v", id)
	}
	second, _, _ := e.Open(t.Context(), link, "")
	parts := strings.Split(cookie, ".")
	for name, value := range map[string]string{
		"a token":                      token,
		"without a secret":             parts[0] + ".0.",
		"with another secret":          parts[0] + ".0." + newSecret(),
		"with the secret of another":   parts[0] + ".0." + strings.Split(second, ".")[2],
		"in a place that is none":      parts[0] + ".1000." + parts[2],
		"with its place written twice": parts[0] + ".00." + parts[2],
		"of another link":              strings.Repeat("a", 16) + ".0." + parts[2],
		"with an ID that is a path":    "../../../session.0." + parts[2],
		"long":                         strings.Repeat("a", 4096),
	} {
		if _, err := e.Guest(t.Context(), host, value); !errors.Is(err, ErrDead) {
			t.Errorf("a cookie %s: %v", name, err)
		}
	}
	reads := e.reads.Load()
	for _, value := range []string{token, "", parts[0] + ".0.", "a.0." + parts[2], parts[0] + ".0." + parts[2] + "a", parts[0] + ".0." + parts[2] + "." + parts[2], parts[0] + "." + strings.Repeat("1", 30) + "." + parts[2], strings.Repeat("a", 4096)} {
		if _, err := e.Guest(t.Context(), host, value); !errors.Is(err, ErrDead) || e.reads.Load() != reads {
			t.Errorf("%.60q, which is no cookie of a guest: %v, after %d reads", value, err, e.reads.Load()-reads)
		}
	}
	if _, err := e.Guest(t.Context(), "files.example.com", cookie); !errors.Is(err, ErrDead) {
		t.Errorf("on another host: %v", err)
	}
	if err := e.EndGuest(t.Context(), host, parts[0]+".0."+newSecret()); err != nil {
		t.Error(err)
	}
	if _, err := e.Guest(t.Context(), host, cookie); err != nil {
		t.Errorf("a forged cookie ended a guest: %v", err)
	}
	if err := e.EndGuest(t.Context(), host, cookie); err != nil {
		t.Error(err)
	}
	if _, err := e.Guest(t.Context(), host, cookie); !errors.Is(err, ErrDead) {
		t.Errorf("after its end: %v", err)
	}
	if _, err := e.Guest(t.Context(), host, second); err != nil {
		t.Errorf("another guest: %v", err)
	}
	if _, err := e.Revoke(t.Context(), link.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Guest(t.Context(), host, second); !errors.Is(err, ErrDead) {
		t.Errorf("S-40 after the link was revoked: %v", err)
	}
	if left, _ := e.recorder.Owned(t.Context(), ownerPrefix+link.ID); len(left) > 0 {
		t.Errorf("%d records are left", len(left))
	}
}

// TestGuestsAreBounded: however often a link is opened, its guests take a limited number of
// records.
func TestGuestsAreBounded(t *testing.T) {
	e := newEnv(t)
	link, _ := e.add(t, 0)
	first, _, _ := e.Open(t.Context(), link, "")
	for range maxGuests {
		if _, _, err := e.Open(t.Context(), link, ""); err != nil {
			t.Fatal(err)
		}
	}
	if records, _ := e.recorder.Owned(t.Context(), ownerPrefix+link.ID); len(records) != maxGuests+1 {
		t.Errorf("%d records", len(records))
	}
	if _, err := e.Guest(t.Context(), host, first); !errors.Is(err, ErrDead) {
		t.Errorf("the first guest: %v", err)
	}
}
