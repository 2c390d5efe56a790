package apppassword

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/person"
	"github.com/policyauth/caddy-policy-auth/internal/store"
	"github.com/policyauth/caddy-policy-auth/internal/store/redistest"
)

// counting is a store that counts reads and changes.
type counting struct {
	store.Store
	mu            sync.Mutex
	reads, writes int
}

func (c *counting) count(n *int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n++
}

func (c *counting) Get(ctx context.Context, key string) ([]byte, error) {
	c.count(&c.reads)
	return c.Store.Get(ctx, key)
}

func (c *counting) Put(ctx context.Context, key string, item store.Item) error {
	c.count(&c.writes)
	return c.Store.Put(ctx, key, item)
}

func (c *counting) PutNew(ctx context.Context, key string, item store.Item) (bool, error) {
	c.count(&c.writes)
	return c.Store.PutNew(ctx, key, item)
}

func (c *counting) Replace(ctx context.Context, key string, item store.Item) (bool, error) {
	c.count(&c.writes)
	return c.Store.Replace(ctx, key, item)
}

func (c *counting) Count(ctx context.Context, key string, window time.Duration) (int, error) {
	c.count(&c.writes)
	return c.Store.Count(ctx, key, window)
}

func (c *counting) Delete(ctx context.Context, keys ...string) error {
	c.count(&c.writes)
	return c.Store.Delete(ctx, keys...)
}

// env is a site's app passwords in a store that counts, with a clock of its own.
type env struct {
	*Passwords
	store *counting
	now   time.Time
}

const host = "app.example.com"

func sealer() *store.Sealer {
	return store.NewSealer(store.Secret(make([]byte, store.SecretSize)), nil)
}

func newEnv(t testing.TB, config Config) *env {
	t.Helper()
	e := &env{now: time.Unix(1_800_000_000, 0)}
	config.Now = e.time
	e.store = &counting{Store: store.NewMemory(config.Now)}
	if err := config.Check(); err != nil {
		t.Fatal(err)
	}
	e.Passwords = New(NewRegistry(e.store, sealer()), config)
	t.Cleanup(e.Close)
	return e
}

func (e *env) time() time.Time { return e.now }

// alice is a person who has just signed in.
func (e *env) alice() Holder { return e.holder("alice") }

func (e *env) holder(subject string) Holder {
	id := &authenticator.Identity{
		Authenticated: true, Kind: authenticator.KindUser, ID: subject, Username: "name of " + subject, Issuer: "https://id.example.com", Roles: []string{"admin"},
		ACR: "mfa", AMR: []string{"otp"}, AuthTime: e.now.Unix(), Scopes: []string{"everything"}, Unknown: []string{"acr", "groups"},
		Claims: map[string]any{"team": "blue", "acr": "mfa", "auth_time": "now"},
	}
	return Holder{Person: person.Person{Login: "oidc", Issuer: id.Issuer, Subject: subject}, Site: host, Identity: id.Normalize(), SignedIn: e.now, Refreshed: e.now}
}

func (e *env) mustMake(t testing.TB, h Holder, scopes ...string) (string, *Password) {
	t.Helper()
	secret, made, err := e.Make(context.Background(), h, "phone", scopes)
	if err != nil {
		t.Fatal(err)
	}
	return secret, made
}

func (e *env) verify(secret string) error {
	_, _, err := e.Verify(context.Background(), secret, host)
	return err
}

// TestS18Form: an app password is pa_<id>_<secret> with 160 random bits, of which the
// store has the hash alone.
func TestS18Form(t *testing.T) {
	e := newEnv(t, Config{})
	secret, made := e.mustMake(t, e.alice())
	if len(secret) != length || !strings.HasPrefix(secret, "pa_"+made.ID+"_") || secretBytes*8 < 128 {
		t.Errorf("%s", secret)
	}
	entries, err := e.store.Owned(context.Background(), ownerOfAll)
	if err != nil || len(entries) != 4 {
		t.Fatalf("%d items, %v", len(entries), err)
	}
	for _, entry := range entries { // who reads the store learns nothing of it
		for _, canary := range []string{secret[len(secret)-secretLength:], "alice", host, "phone", "admin"} {
			if strings.Contains(entry.Key+string(entry.Value), canary) {
				t.Errorf("%s is in %q", canary, entry.Key)
			}
		}
	}
	if err := e.verify(secret); err != nil {
		t.Error(err)
	}
}

// TestS18Refused: what is not a valid app password is refused at once: it costs no store
// write, no slow hash and at most two reads. One of another site is none (T-71).
func TestS18Refused(t *testing.T) {
	e := newEnv(t, Config{})
	secret, made := e.mustMake(t, e.alice())
	other, _ := e.mustMake(t, e.holder("bob"))
	guess, _ := newSecret()
	e.store.writes = 0
	for name, sent := range map[string]string{
		"empty": "", "the prefix": "pa_", "cut": secret[:len(secret)-1], "longer": secret + "a", "upper case": strings.ToUpper(secret),
		"another secret": secret[:len(secret)-1] + string(secret[len(secret)-1]^1), "another's secret": secret[:len(Prefix)+idLength+1] + other[len(Prefix)+idLength+1:],
		"a guess": guess, "no underscore": strings.Replace(secret[3:], "_", "a", 1), "long": "pa_" + strings.Repeat("a", 1<<20), "a path": "pa_" + strings.Repeat("/", idLength) + "_" + strings.Repeat("a", secretLength),
	} {
		e.store.reads = 0
		if p, _, err := e.Verify(context.Background(), sent, host); !errors.Is(err, ErrUnknown) || p != nil || e.store.reads > 1 {
			t.Errorf("%s: %v, %v, %d reads", name, p, err, e.store.reads)
		}
	}
	if _, _, err := e.Verify(context.Background(), secret, "other.example.com"); !errors.Is(err, ErrOtherSite) {
		t.Errorf("another site: %v", err)
	}
	e.now = made.Expires
	if err := e.verify(secret); !errors.Is(err, ErrUnknown) {
		t.Errorf("expired: %v", err)
	}
	if e.store.writes != 0 {
		t.Errorf("%d writes", e.store.writes)
	}
	if n := testing.AllocsPerRun(100, func() { _ = e.verify(guess) }); n > 8 {
		t.Errorf("a guess allocates %v times", n)
	}
}

// TestS18Identity: requests are their owner's, without what a sign-in proves, and with
// the scopes that were chosen and that the site still has.
func TestS18Identity(t *testing.T) {
	e := newEnv(t, Config{Scopes: []string{"read", "write"}})
	secret, made := e.mustMake(t, e.alice(), "write", "read", "write")
	p, h, err := e.Verify(context.Background(), secret, host)
	if err != nil {
		t.Fatal(err)
	}
	id := e.Identity(p, h, h.Identity)
	if id.ID != "alice" || id.Username != "name of alice" || id.Issuer != "https://id.example.com" || id.Method != "app_password" || id.Kind != authenticator.KindUser || !slices.Equal(id.Roles, []string{"admin"}) {
		t.Errorf("%+v", id)
	}
	if id.ACR != "" || len(id.AMR) != 0 || id.AuthTime != 0 || id.Claims["acr"] != nil || id.Claims["auth_time"] != nil || !slices.Equal(id.Unknown, []string{"groups"}) {
		t.Errorf("it proves a sign-in: %+v", id)
	}
	if !slices.Equal(id.Scopes, []string{"read", "write"}) || id.Claims["key_id"] != made.ID || id.Claims["team"] != "blue" || id.ExpiresAt != e.now.Add(ShortSignInWithin).Unix() {
		t.Errorf("%+v", id)
	}
	if e.Identity(p, h, h.Identity) != id {
		t.Error("it is made anew for each request")
	}
	less := New(e.Registry, Config{Scopes: []string{"read"}, Now: e.Now})
	if scopes := less.Identity(p, h, h.Identity).Scopes; !slices.Equal(scopes, []string{"read"}) {
		t.Errorf("after a change of the site: %v", scopes)
	}
	if _, _, err := e.Make(context.Background(), e.alice(), "phone", []string{"admin"}); !errors.Is(err, ErrScope) {
		t.Errorf("a foreign scope: %v", err)
	}
	plain, _ := e.mustMake(t, e.alice())
	if p, h, err := e.Verify(context.Background(), plain, host); err != nil || len(e.Identity(p, h, h.Identity).Scopes) != 0 {
		t.Errorf("without: %v", err)
	}
}

// TestS18SignInWithin: app passwords end some time after the last sign-in, and a new one
// does not bring them back.
func TestS18SignInWithin(t *testing.T) {
	tests := map[string]struct {
		config      Config
		refreshable bool
		within      time.Duration
	}{
		"refreshable": {Config{}, true, DefaultSignInWithin},
		"not":         {Config{}, false, ShortSignInWithin},
		"configured":  {Config{SignInWithin: time.Hour}, true, time.Hour},
	}
	for name, test := range tests {
		e := newEnv(t, test.config)
		h := e.alice()
		h.Refreshable = test.refreshable
		secret, _ := e.mustMake(t, h)
		e.now = e.now.Add(test.within - time.Second)
		if err := e.verify(secret); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		h.SignedIn = e.now
		if err := e.SignedIn(context.Background(), h); err != nil {
			t.Fatal(err)
		}
		e.now = e.now.Add(test.within - time.Second)
		if err := e.verify(secret); err != nil {
			t.Errorf("%s, after a sign-in: %v", name, err)
		}
		e.now = e.now.Add(time.Second)
		if err := e.verify(secret); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s, too late: %v", name, err)
		}
		h.SignedIn = e.now
		if err := e.SignedIn(context.Background(), h); err != nil {
			t.Fatal(err)
		}
		e.mustMake(t, h)
		if err := e.verify(secret); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s, it came back: %v", name, err)
		}
	}
}

// TestShorterSignInWithin: a shorter sign_in_within counts for passwords that are there.
func TestShorterSignInWithin(t *testing.T) {
	e := newEnv(t, Config{})
	secret, _ := e.mustMake(t, e.alice())
	e.now = e.now.Add(2 * time.Hour)
	shorter := New(e.Registry, Config{SignInWithin: time.Hour, Now: e.Now})
	if _, _, err := shorter.Verify(context.Background(), secret, host); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
}

// TestTag: a login that chooses another tag, as after a change of the password, ends what
// was made before.
func TestTag(t *testing.T) {
	e := newEnv(t, Config{})
	h := e.alice()
	h.LoginTag = "first password"
	secret, _ := e.mustMake(t, h)
	if err := e.SignedIn(context.Background(), h); err != nil || e.verify(secret) != nil {
		t.Fatalf("%v, %v", err, e.verify(secret))
	}
	h.LoginTag = "second password"
	if err := e.SignedIn(context.Background(), h); err != nil {
		t.Fatal(err)
	}
	if err := e.verify(secret); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
}

// homes are the stores.
func homes(t *testing.T) map[string]store.Store {
	file, err := store.OpenFile(filepath.Join(t.TempDir(), "store.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	server, err := store.OpenRedis(redistest.New(t).URL(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]store.Store{"memory": store.NewMemory(nil), "file": file, "redis": server}
}

// TestMax: of many submits at once no more than max make a password, in every store; a
// revoked one makes room, and another person is not affected.
func TestMax(t *testing.T) {
	for name, in := range homes(t) {
		t.Run(name, func(t *testing.T) {
			e := &env{now: time.Now()}
			e.Passwords = New(NewRegistry(in, sealer()), Config{Max: 3, Now: func() time.Time { return e.now }})
			var mu sync.Mutex
			var wait sync.WaitGroup
			var made []string
			for range 10 {
				wait.Go(func() {
					secret, _, err := e.Make(t.Context(), e.alice(), "phone", nil)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						made = append(made, secret)
					case !errors.Is(err, ErrFull):
						t.Error(err)
					}
				})
			}
			wait.Wait()
			list, err := e.Of(t.Context(), e.alice().Person, host)
			if err != nil || len(made) != 3 || len(list) != 3 {
				t.Fatalf("%d made, %d listed, %v", len(made), len(list), err)
			}
			for _, secret := range made {
				if err := e.verify(secret); err != nil {
					t.Error(err)
				}
			}
			e.mustMake(t, e.holder("bob"))
			if _, err := e.Revoke(t.Context(), e.alice().Person, host, list[0].ID); err != nil {
				t.Error(err)
			}
			e.mustMake(t, e.alice())
			if _, _, err := e.Make(t.Context(), e.alice(), "phone", nil); !errors.Is(err, ErrFull) {
				t.Error(err)
			}
			if err := in.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNames: a name is short and can be shown.
func TestNames(t *testing.T) {
	e := newEnv(t, Config{Max: 100})
	for name, ok := range map[string]bool{
		"phone": true, " phone ": true, "<b>{{.}}": true, "Téléphone d’Aïcha": true, strings.Repeat("é", MaxName): true,
		"": false, " ": false, strings.Repeat("a", MaxName+1): false, strings.Repeat("a", 10<<10): false, "a\nb": false, "a\x00b": false, "a\u202eb": false, "\xff": false,
	} {
		if _, _, err := e.Make(t.Context(), e.alice(), name, nil); (err == nil) != ok || err != nil && !errors.Is(err, ErrName) {
			t.Errorf("%.20q: %v", name, err)
		}
	}
}

// TestRevoke: a handle ends a password of that person on that site alone (S-18), and
// with the last one nothing is left in the store.
func TestRevoke(t *testing.T) {
	e := newEnv(t, Config{})
	ctx := context.Background()
	secret, made := e.mustMake(t, e.alice())
	for name, revoke := range map[string]func() (*Password, error){
		"another person": func() (*Password, error) { return e.Revoke(ctx, e.holder("bob").Person, host, made.ID) },
		"another site":   func() (*Password, error) { return e.Revoke(ctx, e.alice().Person, "other", made.ID) },
		"no handle":      func() (*Password, error) { return e.Revoke(ctx, e.alice().Person, host, "../"+made.ID) },
	} {
		if _, err := revoke(); !errors.Is(err, ErrUnknown) || e.verify(secret) != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := e.Revoke(ctx, e.alice().Person, host, made.ID); err != nil {
		t.Fatal(err)
	}
	if err := e.verify(secret); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if left := e.store.Store.(*store.Memory).Len(); left != 0 {
		t.Errorf("%d items are left", left)
	}
}

// TestS17Ends: people with one name are ended apart; an operator's search by name shows and
// ends both, and all of them.
func TestS17Ends(t *testing.T) {
	e := newEnv(t, Config{})
	ctx := context.Background()
	shared := func(login string) Holder {
		h := e.alice()
		h.Person.Login = login
		return h
	}
	one, _ := e.mustMake(t, shared("one"))
	two, _ := e.mustMake(t, shared("two"))
	bobs, _ := e.mustMake(t, e.holder("bob"))
	for user, want := range map[string]int{"alice": 2, "name of alice": 2, "bob": 1, "": 3, "carol": 0} {
		if list, err := e.List(ctx, user); len(list) != want || err != nil {
			t.Errorf("%q: %d, %v", user, len(list), err)
		}
	}
	if n, err := EndPerson(ctx, e.Registry.store, shared("one").Person); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if e.verify(one) == nil || e.verify(two) != nil {
		t.Error("not that of one")
	}
	if n, err := e.EndUser(ctx, "name of alice"); n != 1 || err != nil || e.verify(two) == nil || e.verify(bobs) != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := e.EndUser(ctx, ""); n != 1 || err != nil || e.verify(bobs) == nil {
		t.Errorf("%d, %v", n, err)
	}
}

// TestS40Presence: a password whose owner's record is lost is none, and neither brings the
// other back.
func TestS40Presence(t *testing.T) {
	e := newEnv(t, Config{})
	ctx := context.Background()
	secret, made := e.mustMake(t, e.alice())
	_, h, err := e.Verify(ctx, secret, host)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.store.Delete(ctx, holderPrefix+made.holder); err != nil {
		t.Fatal(err)
	}
	if err := e.verify(secret); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if list, err := e.List(ctx, ""); len(list) != 0 || err != nil {
		t.Errorf("listed: %v, %v", list, err)
	}
	if _, err := e.Renew(ctx, h, nil, nil); !errors.Is(err, ErrUnknown) {
		t.Errorf("renewed: %v", err)
	}
	if err := e.SignedIn(ctx, e.alice()); err != nil || e.verify(secret) == nil {
		t.Errorf("a sign-in: %v", err)
	}
	e.mustMake(t, e.alice())
	if err := e.verify(secret); !errors.Is(err, ErrUnknown) {
		t.Errorf("it came back: %v", err)
	}
}

// TestS41Forged: a record that was changed, moved or made by others is none.
func TestS41Forged(t *testing.T) {
	e := newEnv(t, Config{})
	ctx := context.Background()
	secret, made := e.mustMake(t, e.alice())
	_, others := e.mustMake(t, e.holder("bob"))
	own, err := e.store.Get(ctx, passwordPrefix+made.ID)
	if err != nil {
		t.Fatal(err)
	}
	moved, err := e.store.Get(ctx, passwordPrefix+others.ID)
	if err != nil {
		t.Fatal(err)
	}
	changed := slices.Clone(own)
	changed[len(changed)-1] ^= 1
	for name, value := range map[string][]byte{"changed": changed, "moved": moved, "empty": {}, "in the clear": []byte(`{"site":"` + host + `"}`)} {
		if err := e.store.Put(ctx, passwordPrefix+made.ID, store.Item{Value: value, Lifetime: time.Hour, Owners: []string{ownerOfAll}}); err != nil {
			t.Fatal(err)
		}
		if err := e.verify(secret); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLastUsed: uses are written at most every ten minutes, and do not bring a revoked
// password back.
func TestLastUsed(t *testing.T) {
	e := newEnv(t, Config{})
	secret, made := e.mustMake(t, e.alice())
	e.store.writes = 0
	p, _, err := e.Verify(t.Context(), secret, host)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		e.now = e.now.Add(12 * time.Second)
		e.Touch(p)
		e.saves.Wait()
	}
	if e.store.writes > 3 {
		t.Errorf("%d writes in twenty minutes", e.store.writes)
	}
	again := New(NewRegistry(e.store, sealer()), Config{Now: e.Now}) // after a restart
	list, err := again.List(t.Context(), "alice")
	if err != nil || len(list) != 1 || list[0].LastUsed().IsZero() || list[0].LastUsed().After(e.now) {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := e.Revoke(t.Context(), e.alice().Person, host, made.ID); err != nil {
		t.Fatal(err)
	}
	e.now = e.now.Add(time.Hour)
	e.Touch(p)
	e.saves.Wait()
	if left := e.store.Store.(*store.Memory).Len(); left != 0 {
		t.Errorf("%d items came back", left)
	}
}

// TestUnavailable: a store that cannot answer makes a password neither valid nor wrong.
func TestUnavailable(t *testing.T) {
	e := newEnv(t, Config{})
	secret, _ := e.mustMake(t, e.alice())
	if err := e.store.Store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.verify(secret); !errors.Is(err, store.ErrUnavailable) {
		t.Error(err)
	}
}

// TestConfig: an option out of its range is an error that names it.
func TestConfig(t *testing.T) {
	for want, config := range map[string]Config{
		"max_age": {MaxAge: time.Second}, "sign_in_within": {SignInWithin: time.Second}, "max is": {Max: MaxMax + 1}, "max is -1": {Max: -1},
		"scopes": {Scopes: []string{"a b"}}, "twice": {Scopes: []string{"a", "a"}},
	} {
		if err := config.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// FuzzIDOf: what strangers send is read without a panic, and only in its one form.
func FuzzIDOf(f *testing.F) {
	secret, _ := newSecret()
	f.Add(secret)
	f.Add("pa__")
	f.Fuzz(func(t *testing.T, text string) {
		id, ok := idOf(text)
		if ok && (!strings.HasPrefix(text, Prefix+id+"_") || !isID(id) || len(text) != length) {
			t.Errorf("%q: %q", text, id)
		}
	})
}
