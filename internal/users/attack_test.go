package users

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// quick is a hash that costs nothing and looks like bcrypt's.
type quick struct{}

func (quick) Compare(hashed, plaintext []byte) (bool, error) {
	return string(hashed) == quickHash(string(plaintext)), nil
}

func quickHash(password string) string {
	digest := sha256.Sum256([]byte(password))
	return "$2a$08$" + hex.EncodeToString(digest[:])[:53]
}

// plain returns users whose Hash is a password, and becomes its quick hash.
func plain(t testing.TB, set ...*User) *Users {
	t.Helper()
	for _, user := range set {
		user.Hash = quickHash(user.Hash)
		user.Identity = (&authenticator.Identity{Authenticated: true, ID: user.Name}).Normalize()
	}
	users, err := NewUsers(set...)
	if err != nil {
		t.Fatal(err)
	}
	return users
}

func plainVerifier(throttle *Throttle, now func() time.Time) (*Verifier, *counting) {
	counter := &counting{Hash: quick{}}
	return NewVerifier(hashes(counter, counter), throttle, nil, now), counter
}

// TestPasswords: R-BA-3 to R-BA-6. Which texts are the same password; nothing is
// trimmed, cut off or changed in case.
func TestPasswords(t *testing.T) {
	tests := []struct {
		name, stored, sent string
		right              bool
	}{
		{"RFC 7617's example", "123\u00a3", "123\u00a3", true},
		{"with colons", "pa:ss:", "pa:ss:", true},
		{"composed for decomposed", "caf\u00e9", "cafe\u0301", true},
		{"a space of another width", "a b", "a\u00a0b", true},
		{"an emoji", "\U0001f511key", "\U0001f511key", true},
		{"another case", "Secret", "secret", false},
		{"a space behind", "secret", "secret ", false},
		{"a space before", "secret", " secret", false},
		{"cut off", "secret", "secre", false},
		{"full width is not folded", "secret", "\uff53ecret", false},
		{"a byte order mark", "secret", "\ufeffsecret", false},
		{"NUL and more", "secret", "secret\x00more", false},
		{"a control character, which is right", "sec\tret", "sec\tret", false},
		{"not UTF-8, which is right", "sec\xffret", "sec\xffret", false},
		{"empty, which is right", "", "", true},
		{"empty", "secret", "", false},
		{"as long as bcrypt allows", strings.Repeat("x", maxBcrypt), strings.Repeat("x", maxBcrypt), true},
		{"shorter in NFC than sent", strings.Repeat("\u00e9", maxBcrypt/2), strings.Repeat("e\u0301", maxBcrypt/2), true},
		{"longer, whose start is right", strings.Repeat("x", maxBcrypt), strings.Repeat("x", maxBcrypt+1), false},
		{"longer than anybody's", strings.Repeat("x", maxPassword), strings.Repeat("x", maxPassword+1), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v, counter := plainVerifier(nil, nil)
			users := plain(t, &User{Name: "test", Hash: test.stored})
			for range 2 { // the second time it may be remembered
				got := v.Verify(t.Context(), users, "test", test.sent, home)
				if (got.User != nil) != test.right {
					t.Errorf("got %+v", got)
				}
			}
			if n := counter.n.Load(); n < 1 || !test.right && n != 2 {
				t.Errorf("%d comparisons", n)
			}
		})
	}
}

// TestEmptyPassword: R-BA-4. An empty password is looked up as such; no real hash
// that Caddy makes has it.
func TestEmptyPassword(t *testing.T) {
	counter := &counting{Hash: caddyauth.BcryptHash{}}
	v := verifier(counter, nil, nil)
	if got := v.Verify(t.Context(), people(t), "alice", "", home); got.Reason != authenticator.ReasonCredentialsInvalid || counter.n.Load() != 1 {
		t.Errorf("got %+v after %d", got, counter.n.Load())
	}
}

// TestNoUsers: R-BA-4, T-36. A set without users accepts no caller and does not
// panic, whatever is sent.
func TestNoUsers(t *testing.T) {
	v := NewVerifier(hashes(caddyauth.BcryptHash{}, caddyauth.Argon2idHash{}), NewThrottle(100, time.Minute, nil), nil, nil)
	users := plain(t)
	for _, name := range []string{"", "alice", "\x00", "\xff", strings.Repeat("x", 1<<20)} {
		for _, password := range []string{"", "x", "\xff", strings.Repeat("x", 1<<20)} {
			if got := v.Verify(t.Context(), users, name, password, netip.Addr{}); got.User != nil || got.Reason != authenticator.ReasonCredentialsInvalid {
				t.Errorf("%.9q %.9q: %+v", name, password, got)
			}
		}
	}
}

// TestLongName: T-36, R-BA-9. A stranger's names are not kept at any length.
func TestLongName(t *testing.T) {
	throttle := NewThrottle(3, time.Minute, nil)
	v, _ := plainVerifier(throttle, nil)
	users := plain(t, &User{Name: "alice", Hash: "x"})
	for i := range 5 {
		v.Verify(t.Context(), users, strings.Repeat("x", 1<<20)+fmt.Sprint(i), "x", home)
	}
	for s := range throttle.failures.Keys() {
		if len(s.user) > maxName {
			t.Errorf("a name of %d bytes is kept", len(s.user))
		}
	}
	if got := v.Verify(t.Context(), users, strings.Repeat("y", 1<<20), "x", home); got.Reason != authenticator.ReasonThrottled {
		t.Errorf("names that are none have no count: %+v", got)
	}
}

// TestOneNameForTheThrottle: T-36. A name is made canonical before it is counted:
// another spelling is no new set of tries.
func TestOneNameForTheThrottle(t *testing.T) {
	v, _ := plainVerifier(NewThrottle(3, time.Minute, nil), nil)
	users := plain(t, &User{Name: "caf\u00e9", Hash: "x"})
	spellings := []string{"caf\u00e9", "cafe\u0301", "\uff43af\u00e9"}
	for _, name := range spellings {
		if got := v.Verify(t.Context(), users, name, "y", home); got.Reason != authenticator.ReasonCredentialsInvalid {
			t.Errorf("%q: %+v", name, got)
		}
	}
	for _, name := range spellings {
		if got := v.Verify(t.Context(), users, name, "x", home); got.Reason != authenticator.ReasonThrottled {
			t.Errorf("%q: %+v", name, got)
		}
	}
}

// TestDisabledLooksWrong: R-401-7, R-BA-10. Whoever guesses at an account that
// does not count cannot tell the right password: not by the work, which no
// memory shortens, and not by the throttle, which counts it like a wrong one.
func TestDisabledLooksWrong(t *testing.T) {
	accounts := map[string]*User{
		"disabled": {Name: "alice", Hash: "right", Disabled: true},
		"expired":  {Name: "alice", Hash: "right", Expires: time.Unix(1, 0)},
		"enabled":  {Name: "alice", Hash: "other"},
	}
	for name, account := range accounts {
		t.Run(name, func(t *testing.T) {
			v, counter := plainVerifier(NewThrottle(3, time.Minute, nil), nil)
			users := plain(t, account)
			want := authenticator.ReasonAccountDisabled
			if name == "enabled" {
				want = authenticator.ReasonCredentialsInvalid
			}
			for range 3 {
				if got := v.Verify(t.Context(), users, "alice", "right", home); got.User != nil || got.Reason != want {
					t.Errorf("got %+v", got)
				}
			}
			got := v.Verify(t.Context(), users, "alice", "right", home)
			if got.Reason != authenticator.ReasonThrottled || counter.n.Load() != 3 {
				t.Errorf("got %+v after %d comparisons", got, counter.n.Load())
			}
		})
	}
}

// TestExpiry: an account counts until its time, remembered or not.
func TestExpiry(t *testing.T) {
	c := newClock()
	v, _ := plainVerifier(nil, c.now)
	users := plain(t, &User{Name: "alice", Hash: "x", Expires: c.now().Add(time.Minute)})
	steps := []struct {
		pass time.Duration
		want authenticator.Reason
	}{{0, ""}, {time.Minute - 1, ""}, {1, authenticator.ReasonAccountDisabled}, {time.Hour, authenticator.ReasonAccountDisabled}}
	for i, step := range steps {
		c.pass(step.pass)
		if got := v.Verify(t.Context(), users, "alice", "x", home); got.Reason != step.want {
			t.Errorf("step %d: %+v", i, got)
		}
	}
}

// TestNoSecretKept: R-BA-9. What is remembered of a success holds neither the
// password nor the hash, is bound to both and to the process, and is bounded.
func TestNoSecretKept(t *testing.T) {
	v, _ := plainVerifier(nil, nil)
	other, _ := plainVerifier(nil, nil)
	long := strings.Repeat("c", maxPassword-1)
	seen := map[[32]byte]string{}
	for _, texts := range [][3]string{{"a", "b", "c"}, {"ab", "", "c"}, {"a", "bc", ""}, {"", "ab", "c"}, {"a", "b"}, {"a", "b", "d"}, {"b", "a", "c"}, {"a", "b", long}, {"a", "b", long + "c"}} {
		a := attempt{account: account{name: texts[0], hash: texts[1]}, password: texts[2]}
		digest := v.cacheKey(a)
		if before, there := seen[digest]; there {
			t.Errorf("%q is remembered as %s", texts, before)
		}
		seen[digest] = fmt.Sprintf("%q", texts)
		if digest == other.cacheKey(a) || digest == (&Verifier{}).cacheKey(a) {
			t.Errorf("%q: two processes remember alike", texts)
		}
		if digest != v.cacheKey(a) {
			t.Errorf("%q: not found again", texts)
		}
	}
	for i := range maxSuccesses + 1000 {
		v.successes.Set(v.cacheKey(attempt{password: fmt.Sprint(i)}), struct{}{})
	}
	v.successes.CleanUp()
	if size := v.successes.EstimatedSize(); size > maxSuccesses {
		t.Errorf("%d successes are kept", size)
	}
}

// TestFailuresAreNotRemembered: a wrong password that becomes right is right, and
// a right one that becomes wrong is wrong, at once.
func TestFailuresAreNotRemembered(t *testing.T) {
	v, _ := plainVerifier(nil, nil)
	before, after := plain(t, &User{Name: "alice", Hash: "old"}), plain(t, &User{Name: "alice", Hash: "new"})
	steps := []struct {
		users    *Users
		password string
		right    bool
	}{{before, "old", true}, {before, "new", false}, {after, "new", true}, {after, "old", false}, {before, "old", true}, {before, "new", false}}
	for i, step := range steps {
		if got := v.Verify(t.Context(), step.users, "alice", step.password, home); (got.User != nil) != step.right {
			t.Errorf("step %d: %+v", i, got)
		}
	}
}

// TestBurstOfSuccesses: the many requests of a page that was just opened compute
// one hash, not one each.
func TestBurstOfSuccesses(t *testing.T) {
	v, counter := plainVerifier(NewThrottle(3, time.Minute, nil), nil)
	users := plain(t, &User{Name: "alice", Hash: "x"})
	var group sync.WaitGroup
	for range 200 {
		group.Go(func() {
			if got := v.Verify(context.Background(), users, "alice", "x", home); got.User == nil {
				t.Errorf("got %+v", got)
			}
		})
	}
	group.Wait()
	if got := counter.n.Load(); got > int64(runtime.GOMAXPROCS(0)) {
		t.Errorf("%d comparisons", got)
	}
}

// TestSlots: no more hashes are computed at a time than there are processors.
func TestSlots(t *testing.T) {
	gauge := &gauge{}
	v := NewVerifier(hashes(gauge, gauge), nil, nil, nil)
	users := plain(t, &User{Name: "alice", Hash: "x"})
	synctest.Test(t, func(t *testing.T) {
		var group sync.WaitGroup
		for i := range 50 {
			group.Go(func() { v.Verify(context.Background(), users, "alice", fmt.Sprint(i), home) })
		}
		group.Wait()
		if gauge.most != runtime.GOMAXPROCS(0) {
			t.Errorf("%d at a time", gauge.most)
		}
	})
}

// gauge is a hash that takes a millisecond and counts how many compute it at the same
// time.
type gauge struct {
	mu        sync.Mutex
	now, most int
}

func (g *gauge) Compare(_, _ []byte) (bool, error) {
	g.mu.Lock()
	g.now++
	g.most = max(g.most, g.now)
	g.mu.Unlock()
	time.Sleep(time.Millisecond)
	g.mu.Lock()
	g.now--
	g.mu.Unlock()
	return false, nil
}

// TestS28PanicFreesSlot: a hash that panics does not take a processor for ever.
func TestS28PanicFreesSlot(t *testing.T) {
	v := NewVerifier(hashes(panics{}, panics{}), nil, nil, nil)
	users := plain(t, &User{Name: "alice", Hash: "x"})
	for range runtime.GOMAXPROCS(0) + 1 {
		func() {
			defer func() { _ = recover() }()
			v.Verify(t.Context(), users, "alice", "x", home)
		}()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range runtime.GOMAXPROCS(0) {
		if err := v.queue.Acquire(ctx, home); err != nil {
			t.Errorf("a slot is taken: %v", err)
		}
	}
}

type panics struct{}

func (panics) Compare(_, _ []byte) (bool, error) { panic("a hash that cannot be computed") }

// FuzzVerify: R-BA-4, R-BA-5, T-36. Whatever is sent, nothing panics, one hash is
// computed and only the right name and password are let in.
func FuzzVerify(f *testing.F) {
	f.Add("alice", "secret")
	f.Add("alice\x00", "secret")
	f.Add("\uff41lice", "\u00a0")
	f.Add("", "")
	v, counter := plainVerifier(nil, nil)
	users := plain(f, &User{Name: "alice", Hash: "secret"})
	f.Fuzz(func(t *testing.T, name, password string) {
		before := counter.n.Load()
		got := v.Verify(context.Background(), users, name, password, home)
		normal, ok := Normalize(name)
		if got.User != nil && (!ok || normal != "alice" || password != "secret") {
			t.Errorf("%q %q is let in", name, password)
		}
		if computed := counter.n.Load() - before; computed != 1 && got.User == nil {
			t.Errorf("%q %q: %d comparisons", name, password, computed)
		}
	})
}

func BenchmarkVerifyUnknown(b *testing.B) {
	v, _ := plainVerifier(nil, nil)
	users := plain(b, &User{Name: "alice", Hash: testHash})
	b.ReportAllocs()
	for b.Loop() {
		if v.Verify(context.Background(), users, "eve", "x", home).User != nil {
			b.Fatal("let in")
		}
	}
}
