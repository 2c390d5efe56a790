package session

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/person"
	"github.com/policyauth/caddy-policy-auth/internal/store"
	"github.com/policyauth/caddy-policy-auth/internal/store/redistest"
)

// counting is a store that counts what it is asked for.
type counting struct {
	store.Store
	reads, writes int
}

func (c *counting) Get(ctx context.Context, key string) ([]byte, error) {
	c.reads++
	return c.Store.Get(ctx, key)
}

func (c *counting) Owned(ctx context.Context, owner string) ([]store.Entry, error) {
	c.reads++
	return c.Store.Owned(ctx, owner)
}

func (c *counting) Delete(ctx context.Context, keys ...string) error {
	c.writes++
	return c.Store.Delete(ctx, keys...)
}

func (c *counting) DeleteOwner(ctx context.Context, owner string) ([]string, error) {
	c.writes++
	return c.Store.DeleteOwner(ctx, owner)
}

// counted returns a site whose store counts.
func counted(t *testing.T) (site, *counting) {
	s := newSite(t, Config{})
	c := &counting{Store: s.store}
	s.registry.store = c
	return s, c
}

// called is a user by that id.
func called(id string) Record {
	user := &authenticator.Identity{Authenticated: true, ID: id, Username: "name of " + id, Issuer: "https://id.example.com"}
	return Record{Person: person.Person{Login: "form", Issuer: user.Issuer, Subject: id}, Identity: user.Normalize(), SID: "sid of " + id, Data: []byte("tokens")}
}

// TestN18NothingIsLeft: who signs in and out in a loop leaves nothing in the store,
// also where a use was told late.
func TestN18NothingIsLeft(t *testing.T) {
	s := newSite(t, Config{})
	ctx := context.Background()
	for i := range 5_000 {
		found, err := s.find(host, s.start(t, visit(host), called("alice")))
		if err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 {
			if first, err := s.BeginRefresh(ctx, found, time.Minute); err != nil || !first {
				t.Fatal(first, err)
			}
			s.clock.advance(time.Minute)
			s.Touch(found)
		}
		if err := s.registry.End(ctx, found.ID); err != nil {
			t.Fatal(err)
		}
		s.Touch(found)
		s.registry.saves.Wait()
		if n := s.store.Len(); n != 0 {
			t.Fatalf("round %d leaves %d items", i, n)
		}
	}
}

// TestN18SessionsOfAPerson: a person has at most 100 sessions, and one more ends the
// oldest. Another person of the same name keeps theirs.
func TestN18SessionsOfAPerson(t *testing.T) {
	s := newSite(t, Config{Logins: []string{"form", "oidc"}})
	other := called("alice")
	other.Person.Login = "oidc"
	theirs := s.start(t, visit(host), other)
	var cookies []*http.Cookie
	for range DefaultMaxPerUser + 2 {
		s.clock.advance(time.Second)
		cookies = append(cookies, s.start(t, visit(host), called("alice")))
	}
	for i, cookie := range append(cookies, theirs) {
		want := error(nil)
		if i < 2 {
			want = ErrEnded
		}
		if _, err := s.find(host, cookie); !errors.Is(err, want) {
			t.Errorf("session %d: %v, want %v", i, err, want)
		}
	}
	if n := s.store.Len(); n != 2*(DefaultMaxPerUser+1) {
		t.Errorf("%d items", n)
	}
	for i := range 3 * DefaultMaxPerUser { // others come and go
		s.start(t, visit(host), called("user "+strconv.Itoa(i)))
	}
	if _, err := s.find(host, theirs); err != nil {
		t.Error(err)
	}
}

// TestMaxPerUser: a site's own number counts where its users sign in, also for sessions of
// other sites with the same store.
func TestMaxPerUser(t *testing.T) {
	s := newSite(t, Config{MaxPerUser: 2})
	var cookies []*http.Cookie
	for range 4 {
		s.clock.advance(time.Second)
		cookies = append(cookies, s.start(t, visit(host), called("alice")))
	}
	theirs := s.start(t, visit(host), called("bob"))
	for i, cookie := range append(cookies, theirs) {
		want := error(nil)
		if i < 2 {
			want = ErrEnded
		}
		if _, err := s.find(host, cookie); !errors.Is(err, want) {
			t.Errorf("session %d: %v, want %v", i, err, want)
		}
	}
	for _, wrong := range []int{-1, MaxMaxPerUser + 1} {
		if _, err := New(nil, Config{MaxPerUser: wrong}); err == nil || !strings.Contains(err.Error(), "max_per_user") {
			t.Errorf("%d: %v", wrong, err)
		}
	}
}

// TestN18OnePass: 40,000 sessions are listed by one reading of the store, and ended
// by one transaction; so are 5,000 of a user.
func TestN18OnePass(t *testing.T) {
	s, c := counted(t)
	ctx := context.Background()
	const all, of = 40_000, 50
	for i := range all {
		s.start(t, visit(host), called("user "+strconv.Itoa(i%(all/of))))
	}
	*c = counting{Store: c.Store}
	for _, test := range []struct {
		user string
		want int
	}{{"", all}, {"user 7", of}, {"name of user 7", of}} {
		began := time.Now()
		found, err := s.registry.List(ctx, test.user)
		if err != nil || len(found) != test.want || c.reads != 1 || c.writes != 0 {
			t.Fatalf("%q: %d sessions, %v, %d reads", test.user, len(found), err, c.reads)
		}
		t.Logf("%q: %d sessions listed in %s", test.user, len(found), time.Since(began))
		c.reads = 0
	}
	for _, test := range []struct {
		user string
		want int
	}{{"name of user 7", of}, {"user 8", of}, {"", all - 2*of}} {
		n, err := s.registry.EndUser(ctx, test.user)
		if err != nil || n != test.want || c.reads != 0 || c.writes != 1 {
			t.Fatalf("%q: %d ended, %v, %d reads, %d transactions", test.user, n, err, c.reads, c.writes)
		}
		c.writes = 0
	}
	if n := s.store.Len(); n != 0 {
		t.Errorf("%d items are left", n)
	}
}

// TestS41Records: a record, a use or a mark that others wrote, changed or moved is
// none; who reads the store sees no token, and the log is told once. It is so in
// every home.
func TestS41Records(t *testing.T) {
	homes := map[string]func(t *testing.T) store.Store{
		"memory": func(*testing.T) store.Store { return store.NewMemory(nil) },
		"file": func(t *testing.T) store.Store {
			file, err := store.OpenFile(filepath.Join(t.TempDir(), "store.db"), nil)
			if err != nil {
				t.Fatal(err)
			}
			return file
		},
		"redis": func(t *testing.T) store.Store {
			server, err := store.OpenRedis(redistest.New(t).URL(), "", nil)
			if err != nil {
				t.Fatal(err)
			}
			return server
		},
	}
	for name, open := range homes {
		t.Run(name, func(t *testing.T) { forge(t, open(t)) })
	}
}

// forge plays somebody who can write to a store.
func forge(t *testing.T, raw store.Store) {
	ctx, told := context.Background(), 0
	seal := store.NewSealer(store.Secret(make([]byte, store.SecretSize)), func(error) { told++ })
	c := &clock{t: time.Now()}
	s := site{in(t, NewRegistry(raw, seal), c, Config{}), c, nil}
	mine, admins := s.start(t, visit(host), called("mallory")), s.start(t, visit(host), called("admin-canary"))
	own, err := s.find(host, mine)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := s.find(host, admins)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := raw.Get(ctx, admin.key)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := admin.encode()
	if err != nil {
		t.Fatal(err)
	}
	changed := append([]byte{}, stored...)
	changed[len(changed)-1] ^= 1
	foreign, err := store.NewSealer(store.Secret([]byte("another key of thirty-two bytes.")), nil).Seal(ctx, own.key, plain)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string][]byte{
		"moved from another key": stored, "changed": changed, "in the clear": plain, "empty": {}, "cut": stored[:20], "of another secret": foreign,
	} {
		if err := raw.Put(ctx, own.key, store.Item{Value: value, Lifetime: time.Hour, Owners: own.owners()}); err != nil {
			t.Fatal(err)
		}
		if found, err := s.find(host, mine); !errors.Is(err, ErrEnded) {
			t.Errorf("%s: %v, %v", name, found, err)
		}
		if found, err := s.registry.List(ctx, "mallory"); err != nil || len(found) != 0 {
			t.Errorf("%s: listed %v, %v", name, found, err)
		}
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	if _, err := s.find(host, admins); err != nil {
		t.Error(err)
	}
}

// TestS41Secrets: the store holds nothing of a session in the clear.
func TestS41Secrets(t *testing.T) {
	s := newSite(t, Config{})
	record := called("canary")
	record.Data = []byte("canary")
	s.start(t, visit(host), record)
	entries, err := s.store.Owned(context.Background(), ownerOfAll)
	if err != nil || len(entries) != 2 {
		t.Fatal(entries, err)
	}
	for _, e := range entries {
		for _, secret := range []string{"canary", "id.example.com", host, "form"} {
			if text := e.Key + string(e.Value); strings.Contains(text, secret) {
				t.Errorf("%s in %q", secret, text)
			}
		}
	}
}

// TestS41EarlierVersion: a record as earlier versions stored it is no session, and
// they find none of ours under the names that they know.
func TestS41EarlierVersion(t *testing.T) {
	s := newSite(t, Config{})
	ctx := context.Background()
	cookie := s.start(t, visit(host), alice())
	found, err := s.find(host, cookie)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := found.encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.Get(ctx, "session/"+found.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an earlier version finds it: %v", err)
	}
	if err := s.registry.End(ctx, found.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.store.Put(ctx, "session/"+found.ID, store.Item{Value: plain, Lifetime: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.find(host, cookie); !errors.Is(err, ErrEnded) {
		t.Errorf("an earlier version's: %v", err)
	}
}

// TestListIgnoresOddKeys: an item of the store whose key is not of a session is not listed.
func TestListIgnoresOddKeys(t *testing.T) {
	s := newSite(t, Config{})
	ctx := context.Background()
	s.start(t, visit(host), alice())
	for _, id := range []string{"", "AAAA", "not base64url!", strings.Repeat("A", 44)} {
		if err := s.store.Put(ctx, "session.1/"+id, store.Item{Value: []byte("x"), Lifetime: time.Hour, Owners: []string{"sessions"}}); err != nil {
			t.Fatal(err)
		}
	}
	if found, err := s.registry.List(ctx, ""); err != nil || len(found) != 1 {
		t.Errorf("%d sessions, %v", len(found), err)
	}
}

// TestS40Presence: what can be revoked is valid as long as it is in the store. A store
// that lost everything keeps nobody signed in.
func TestS40Presence(t *testing.T) {
	s := newSite(t, Config{})
	ctx := context.Background()
	cookie := s.start(t, visit(host), alice())
	found, err := s.find(host, cookie)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.DeleteOwner(ctx, ownerOfAll); err != nil {
		t.Fatal(err)
	}
	if _, err := s.find(host, cookie); !errors.Is(err, ErrEnded) {
		t.Errorf("found: %v", err)
	}
	if err := s.Refresh(ctx, found, found.Identity, nil); !errors.Is(err, ErrEnded) {
		t.Errorf("refreshed: %v", err)
	}
	if n := s.store.Len(); n != 0 {
		t.Errorf("%d items came back", n)
	}
}
