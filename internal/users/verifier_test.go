package users

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/text/secure/precis"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// counting counts comparisons and remembers what was compared with.
type counting struct {
	Hash
	n  atomic.Int64
	mu sync.Mutex
	on []string
}

func (c *counting) Compare(hashed, plaintext []byte) (bool, error) {
	c.n.Add(1)
	c.mu.Lock()
	c.on = append(c.on, string(hashed))
	c.mu.Unlock()
	return c.Hash.Compare(hashed, plaintext)
}

// clock is a clock that a test sets.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time       { return time.Unix(0, c.at.Load()) }
func (c *clock) pass(d time.Duration) { c.at.Add(int64(d)) }
func newClock() *clock                { c := new(clock); c.at.Store(time.Now().UnixNano()); return c }
func addr(s string) netip.Addr        { return netip.MustParseAddr(s) }
func hashes(b, a Hash) Hashes         { return Hashes{Bcrypt: b, Argon2id: a} }
func verifier(b *counting, t *Throttle, now func() time.Time) *Verifier {
	return NewVerifier(hashes(b, caddyauth.Argon2idHash{}), t, nil, now)
}

func people(t testing.TB) *Users {
	t.Helper()
	parsed, err := ParseUsers("users.yaml", []byte("users:\n  alice: {password: \""+testHash+"\"}\n  carol: {password: \""+testHash+"\", disabled: true}\n  dave: {password: \""+testHash+"\", expires: 2020-01-01T00:00:00Z}\n"))
	if err != nil {
		t.Fatal(err)
	}
	users, err := NewUsers(parsed...)
	if err != nil {
		t.Fatal(err)
	}
	return users
}

// TestVerify: R-BA-4 to R-BA-6, R-BA-10, T-36. Whatever is wrong, one hash is
// computed, on a hash of the same cost, and nothing tells what was wrong.
func TestVerify(t *testing.T) {
	long := strings.Repeat("p", maxBcrypt)
	longHash, err := bcrypt.GenerateFromPassword([]byte(long), minCost)
	if err != nil {
		t.Fatal(err)
	}
	accent, err := bcrypt.GenerateFromPassword([]byte("caf\u00e9"), minCost)
	if err != nil {
		t.Fatal(err)
	}
	users := people(t)
	for name, hash := range map[string]string{"long": string(longHash), "accent": string(accent)} {
		user, err := NewUser(name, hash)
		if err != nil {
			t.Fatal(err)
		}
		users, err = NewUsers(append(users.All(), user)...)
		if err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name, user, password string
		reason               authenticator.Reason
	}{
		{"right", "alice", testPassword, ""},
		{"wrong", "alice", "x", "credentials_invalid"},
		{"empty password", "alice", "", "credentials_invalid"},
		{"unknown user", "eve", testPassword, "credentials_invalid"},
		{"empty user", "", testPassword, "credentials_invalid"},
		{"both empty", "", "", "credentials_invalid"},
		{"other case", "Alice", testPassword, "credentials_invalid"},
		{"NUL in the name", "alice\x00", testPassword, "credentials_invalid"},
		{"NUL in the password", "alice", testPassword + "\x00", "credentials_invalid"},
		{"a line break", "alice", testPassword + "\n", "credentials_invalid"},
		{"not UTF-8", "alice", testPassword + "\xff", "credentials_invalid"},
		{"disabled, right password", "carol", testPassword, "account_disabled"},
		{"disabled, wrong password", "carol", "x", "credentials_invalid"},
		{"expired, right password", "dave", testPassword, "account_disabled"},
		{"72 bytes", "long", long, ""},
		{"73 bytes are not cut off", "long", long + "p", "credentials_invalid"},
		{"NFC", "accent", "caf\u00e9", ""},
		{"NFD", "accent", "cafe\u0301", ""},
		{"a MB", "alice", strings.Repeat("x", 1<<20), "credentials_invalid"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			counter := &counting{Hash: caddyauth.BcryptHash{}}
			v := verifier(counter, nil, nil)
			got := v.Verify(t.Context(), users, test.user, test.password, addr("192.0.2.1"))
			if got.Reason != test.reason || (got.User != nil) != (test.reason == "") {
				t.Errorf("got %+v", got)
			}
			if counter.n.Load() != 1 || !strings.HasPrefix(counter.on[0], "$2a$08$") {
				t.Errorf("%d comparisons, on %q", counter.n.Load(), counter.on)
			}
		})
	}
}

// TestDummy: T-36, what stands in for an unknown user's hash costs the same, can
// be read by the real thing, and matches no user.
func TestDummy(t *testing.T) {
	for _, hash := range []string{testHash, testArgon2id} {
		made := dummyHash(hash)
		if made == hash || CheckHash(made) != nil || made[:20] != hash[:20] {
			t.Errorf("%s became %s", hash, made)
		}
		h := hashes(caddyauth.BcryptHash{}, caddyauth.Argon2idHash{})
		kind := h.Argon2id
		if isBcrypt(made) {
			kind = h.Bcrypt
		}
		if same, err := kind.Compare([]byte(made), []byte(testPassword)); same || err != nil {
			t.Errorf("%s: %v %v", made, same, err)
		}
	}
	users := people(t)
	v := verifier(&counting{Hash: caddyauth.BcryptHash{}}, nil, nil)
	if one := v.hashFor(users, nil, "eve"); !strings.HasPrefix(one, "$2a$08$") {
		t.Errorf("got %s", one)
	}
	empty, err := NewUsers()
	if err != nil {
		t.Fatal(err)
	}
	if got := v.Verify(t.Context(), empty, "a", "b", netip.Addr{}); got.User != nil {
		t.Errorf("a user of an empty set: %+v", got)
	}
}

// TestDummyAfterRestart: T-36. What an unknown user's password costs stays the
// same as long as the users do; a change would tell who is unknown.
func TestDummyAfterRestart(t *testing.T) {
	set := func(hashes ...string) *Users {
		var all []*User
		for i, hash := range hashes {
			user, err := NewUser("user"+strconv.Itoa(i), hash)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, user)
		}
		users, err := NewUsers(all...)
		if err != nil {
			t.Fatal(err)
		}
		return users
	}
	before, after := set(testHash, testArgon2id), set(testArgon2id, testHash)
	kinds := map[bool]int{}
	for i := range 50 {
		name := "stranger" + strconv.Itoa(i)
		first := verifier(&counting{}, nil, nil).hashFor(before, nil, name)
		again := verifier(&counting{}, nil, nil).hashFor(after, nil, name)
		if isBcrypt(first) != isBcrypt(again) {
			t.Errorf("%s: the cost changed", name)
		}
		kinds[isBcrypt(first)]++
	}
	if len(kinds) != 2 {
		t.Errorf("only one kind of cost: %v", kinds)
	}
}

// TestRemembered: R-BA-9's success cache. A hit computes nothing; a change of the
// password or of the account counts at once.
func TestRemembered(t *testing.T) {
	counter := &counting{Hash: caddyauth.BcryptHash{}}
	v := verifier(counter, nil, nil)
	users := people(t)
	for range 3 {
		if got := v.Verify(t.Context(), users, "alice", testPassword, addr("192.0.2.1")); got.User == nil {
			t.Fatal("refused")
		}
	}
	if counter.n.Load() != 1 {
		t.Errorf("%d comparisons for three", counter.n.Load())
	}
	for range 2 {
		v.Verify(t.Context(), users, "alice", "wrong", addr("192.0.2.1"))
	}
	if counter.n.Load() != 3 {
		t.Errorf("failures are remembered: %d", counter.n.Load())
	}
	disabled := *users.byName["alice"]
	disabled.Disabled = true
	other, err := NewUsers(&disabled)
	if err != nil {
		t.Fatal(err)
	}
	if got := v.Verify(t.Context(), other, "alice", testPassword, addr("192.0.2.1")); got.Reason != authenticator.ReasonAccountDisabled {
		t.Errorf("a disabled user was remembered: %+v", got)
	}
	changed, err := bcrypt.GenerateFromPassword([]byte("another"), minCost)
	if err != nil {
		t.Fatal(err)
	}
	user, err := NewUser("alice", string(changed))
	if err != nil {
		t.Fatal(err)
	}
	if other, err = NewUsers(user); err != nil {
		t.Fatal(err)
	}
	if got := v.Verify(t.Context(), other, "alice", testPassword, addr("192.0.2.1")); got.User != nil {
		t.Error("the old password was remembered")
	}
}

// TestThrottle: R-BA-9. By user, by network and by both; the right password does
// not help; time does; no user is locked out by others permanently.
func TestThrottle(t *testing.T) {
	c := newClock()
	limit := 3
	v, _ := plainVerifier(NewThrottle(limit, time.Minute, c.now), c.now)
	users := plain(t, &User{Name: "alice", Hash: testPassword}, &User{Name: "carol", Hash: testPassword, Disabled: true})
	try := func(user, password, client string) authenticator.Reason {
		return v.Verify(t.Context(), users, user, password, addr(client)).Reason
	}
	if got := try("alice", testPassword, "192.0.2.1"); got != "" {
		t.Fatal(got)
	}
	for i := range limit {
		if got := try("alice", "x", "198.51.100.1"); got != authenticator.ReasonCredentialsInvalid {
			t.Errorf("failure %d: %s", i+1, got)
		}
	}
	if got := v.Verify(t.Context(), users, "alice", testPassword, addr("198.51.100.1")); got.Reason != authenticator.ReasonThrottled || got.RetryAfter <= 0 || got.RetryAfter > time.Minute {
		t.Errorf("the right password from there: %+v", got)
	}
	if got := try("alice", "x", "203.0.113.5"); got != authenticator.ReasonCredentialsInvalid {
		t.Errorf("the first try from a network that alice does not use: %q", got)
	}
	if got := try("alice", testPassword, "192.0.2.1"); got != "" {
		t.Errorf("from where alice signs in: %q", got)
	}
	if got := try("carol", testPassword, "198.51.100.1"); got != authenticator.ReasonAccountDisabled {
		t.Errorf("another user from there: %q", got)
	}
	c.pass(61 * time.Second)
	if got := try("alice", testPassword, "198.51.100.1"); got != "" {
		t.Errorf("after the window: %q", got)
	}
	for range limit { // the user's own network has a count of its own
		try("alice", "x", "192.0.2.1")
	}
	if got := try("alice", testPassword, "192.0.2.1"); got != authenticator.ReasonThrottled {
		t.Errorf("guessing from where alice signs in: %q", got)
	}
	for i := range limit * networkFactor { // many names from one network
		try(fmt.Sprintf("name%d", i), "x", "2001:db8::1")
	}
	for i := range 1 + maxRepeatedPerWindow + 1 {
		want := authenticator.ReasonCredentialsInvalid
		if i > maxRepeatedPerWindow || i >= limit {
			want = authenticator.ReasonThrottled
		}
		if got := try("other", "x", "2001:db8::ffff"); got != want {
			t.Errorf("the same /64, try %d: %q", i+1, got)
		}
	}
	if got := try("another", "x", "2001:db8:0:1::1"); got != authenticator.ReasonCredentialsInvalid {
		t.Errorf("another /64: %q", got)
	}
	for range limit { // unknown users are counted alike
		try("eve", "x", "203.0.113.77")
	}
	if got := try("eve", "x", "203.0.113.77"); got != authenticator.ReasonThrottled {
		t.Errorf("an unknown user: %q", got)
	}
}

// TestThrottleBurst: a thousand guesses at once do not all pass before the first
// failure is counted.
func TestThrottleBurst(t *testing.T) {
	counter := &counting{Hash: caddyauth.BcryptHash{}}
	v := verifier(counter, NewThrottle(5, time.Minute, nil), nil)
	users := people(t)
	var group sync.WaitGroup
	for i := range 1000 {
		group.Go(func() { v.Verify(context.Background(), users, "alice", fmt.Sprint(i), addr("192.0.2.1")) })
	}
	group.Wait()
	if got := counter.n.Load(); got > 5+int64(runtime.GOMAXPROCS(0)) {
		t.Errorf("%d guesses were tried", got)
	}
}

// TestCancelled: a client that went away costs nothing, and is not let in.
func TestCancelled(t *testing.T) {
	counter := &counting{Hash: caddyauth.BcryptHash{}}
	v := verifier(counter, nil, nil)
	for range runtime.GOMAXPROCS(0) {
		if err := v.queue.Acquire(t.Context(), home); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := v.Verify(ctx, people(t), "alice", testPassword, addr("192.0.2.1")); got.User != nil || counter.n.Load() != 0 {
		t.Errorf("got %+v after %d comparisons", got, counter.n.Load())
	}
}

// TestPrintableASCII: what is taken for what the profiles of RFC 8265 leave as it is
// is what they leave as it is.
func TestPrintableASCII(t *testing.T) {
	for c := range 0x180 {
		for _, text := range []string{"", string(rune(c)), "a" + string(rune(c)), string(rune(c)) + "B", " " + string(rune(c)), string([]byte{byte(c)}), "a" + string([]byte{byte(c)})} {
			if got, err := precis.UsernameCasePreserved.String(text); printableASCII(text, '!') && (err != nil || got != text) {
				t.Errorf("the name %q: %q, %v", text, got, err)
			}
			if got, err := precis.OpaqueString.String(text); printableASCII(text, ' ') && (err != nil || got != text) {
				t.Errorf("the password %q: %q, %v", text, got, err)
			}
		}
	}
	if !printableASCII("alice~!", '!') || !printableASCII("a password", ' ') || printableASCII("a name", '!') {
		t.Error("plain texts are not known")
	}
}

// TestVerifyRememberedAllocations: performance.md, a password that was right before
// costs no memory.
func TestVerifyRememberedAllocations(t *testing.T) {
	v, _ := plainVerifier(NewThrottle(10, time.Minute, nil), nil)
	for _, password := range []string{testPassword, strings.Repeat("p", maxBcrypt)} {
		users := plain(t, &User{Name: "alice", Hash: password})
		verify := func() {
			if got := v.Verify(t.Context(), users, "alice", password, addr("192.0.2.1")); got.User == nil {
				t.Fatal(got)
			}
		}
		if got := testing.AllocsPerRun(100, verify); got > 0 {
			t.Errorf("a password of %d bytes: %v allocations", len(password), got)
		}
	}
}

func BenchmarkVerifyRemembered(b *testing.B) {
	v := verifier(&counting{Hash: caddyauth.BcryptHash{}}, NewThrottle(10, time.Minute, nil), nil)
	users := people(b)
	client := addr("192.0.2.1")
	b.ReportAllocs()
	for b.Loop() {
		if v.Verify(context.Background(), users, "alice", testPassword, client).User == nil {
			b.Fatal("refused")
		}
	}
}
