package users

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"runtime"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/maypok86/otter/v2"
	"golang.org/x/text/secure/precis"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/fairqueue"
)

const (
	maxSuccesses = 10_000
	successTime  = 5 * time.Minute
	// maxPassword is the maximum length of a password, in bytes. Longer ones are
	// rejected without hashing.
	maxPassword = 4 << 10
	// maxWaiting is how many attempts may wait for their hash to be computed, and
	// how many more from networks that are known for their user. One more rejects an
	// attempt of the network with the most.
	maxWaiting = 256
)

// Verifier verifies names and passwords. It caches successes without storing
// secrets, and limits guessing. It is safe for concurrent use. Call NewVerifier.
type Verifier struct {
	hashes    Hashes
	throttle  *Throttle
	key       [32]byte
	successes *otter.Cache[[32]byte, struct{}]
	queue     *fairqueue.Queue
	now       func() time.Time
}

// NewQueue returns a queue for computing hashes. It has one slot per processor,
// because each hash may take megabytes and much of a second.
func NewQueue() *fairqueue.Queue {
	return fairqueue.New(runtime.GOMAXPROCS(0), maxWaiting, 0)
}

// NewVerifier returns a verifier. A nil throttle limits nothing, a nil queue means
// a new one, and a nil now means time.Now.
func NewVerifier(hashes Hashes, throttle *Throttle, queue *fairqueue.Queue, now func() time.Time) *Verifier {
	if now == nil {
		now = time.Now
	}
	if queue == nil {
		queue = NewQueue()
	}
	v := &Verifier{
		hashes: hashes, throttle: throttle, queue: queue, now: now,
		successes: otter.Must(&otter.Options[[32]byte, struct{}]{
			MaximumSize:      maxSuccesses,
			ExpiryCalculator: otter.ExpiryWriting[[32]byte, struct{}](successTime),
		}),
	}
	_, _ = rand.Read(v.key[:]) // never fails
	return v
}

// Result is the result of Verify.
type Result struct {
	// User is set if the password is right and the account is active.
	User *User
	// Reason is the reason of a failure: credentials_invalid, account_disabled,
	// throttled, or busy if the queue is full.
	Reason authenticator.Reason
	// Cause is a more precise reason, for the log only.
	Cause authenticator.Cause
	// Candidate is the name of the existing user whose attempt failed, or "".
	Candidate string
	// Details are for the log: the length and a keyed hash of an unknown name.
	Details []authenticator.Detail
	// RetryAfter is how long to wait after throttled or busy.
	RetryAfter time.Duration
}

// Verify checks a name and a password. Unknown names take as long as known ones. A
// disabled or expired account is reported only if the password is right, and only
// to the log: for the cache and the throttle such an attempt is a failure. While a
// client is throttled, the right password fails too. Computing a hash waits in the
// queue; cached successes do not.
func (v *Verifier) Verify(ctx context.Context, users *Users, name, password string, client netip.Addr) Result {
	result := v.verify(ctx, users, name, password, client)
	if result.User == nil {
		v.addLogDetails(&result, users, name)
	}
	return result
}

// verify is Verify without the details for the log.
func (v *Verifier) verify(ctx context.Context, users *Users, name, password string, client netip.Addr) Result {
	normal, password, ok := credentials(name, password)
	user := users.byName[normal]
	a := attempt{
		account: account{normal, v.hashFor(users, user, normal)},
		user:    user, password: password, wellFormed: ok, client: client, seed: users.seed,
	}
	trusted := v.throttle.isTrusted(a.account, client)
	if wait := v.throttle.admit(ctx, a, trusted, func(l lockoutAllowance) bool { return l.available(a) }); wait > 0 {
		return Result{Reason: authenticator.ReasonThrottled, RetryAfter: wait}
	}
	if v.throttle.mayUseCache(a.account, client, trusted) && v.isCached(a) {
		return v.accept(ctx, a)
	}
	return v.verifyHash(ctx, a)
}

// attempt is a name and a password sent by a client.
type attempt struct {
	account
	user       *User // nil for an unknown name
	password   string
	wellFormed bool // whether the name and the password are valid at all
	client     netip.Addr
	seed       [32]byte // of Users
}

// isCached reports whether the same attempt succeeded before, with the user's
// current hash.
func (v *Verifier) isCached(a attempt) bool {
	if a.user == nil || !a.wellFormed || !a.user.Active(v.now()) {
		return false
	}
	_, hit := v.successes.GetIfPresent(v.cacheKey(a))
	return hit
}

func (v *Verifier) accept(ctx context.Context, a attempt) Result {
	v.throttle.Succeed(ctx, a.account, a.client)
	return Result{User: a.user}
}

// verifyHash waits in the queue and computes the hash. It counts a failure before
// it leaves its slot, so that concurrent guesses are throttled like consecutive
// ones. It also caches a success first, so that the first burst of a browser
// computes one hash.
func (v *Verifier) verifyHash(ctx context.Context, a attempt) Result {
	enter := v.queue.Acquire
	if v.throttle.hasReservedRoom(ctx, a.account, a.client) {
		enter = v.queue.AcquireReserved
	}
	if err := enter(ctx, a.client); err != nil {
		v.throttle.countUnanswered(a.name, a.client)
		return Result{Reason: authenticator.ReasonBusy, RetryAfter: fairqueue.RetryAfter}
	}
	defer v.queue.Release()
	trusted := v.throttle.isTrusted(a.account, a.client) // may have changed while it waited
	if wait := v.throttle.admit(ctx, a, trusted, func(l lockoutAllowance) bool { return l.take(ctx, a) }); wait > 0 {
		return Result{Reason: authenticator.ReasonThrottled, RetryAfter: wait}
	}
	if v.isCached(a) {
		return v.accept(ctx, a)
	}
	right := v.hashes.compare(a.hash, a.password) && a.user != nil && a.wellFormed
	switch {
	case !right:
		v.throttle.Fail(a.name, a.client)
		return Result{Reason: authenticator.ReasonCredentialsInvalid}
	case !a.user.Active(v.now()):
		v.throttle.Fail(a.name, a.client)
		return Result{Reason: authenticator.ReasonAccountDisabled}
	}
	v.successes.Set(v.cacheKey(a), struct{}{})
	return v.accept(ctx, a)
}

// hashFor returns a user's hash, or for an unknown name a dummy hash with the cost
// of some user's. The choice depends only on the name and on the hashes, also after
// a restart, so that repeating a guess reveals nothing.
func (v *Verifier) hashFor(users *Users, user *User, name string) string {
	if user != nil {
		return user.Hash
	}
	if len(users.hashes) == 0 {
		return "" // without users there is nothing to hide
	}
	digest := mac(users.seed, name)
	return dummyHash(users.hashes[binary.BigEndian.Uint64(digest[:8])%uint64(len(users.hashes))])
}

// cacheKey returns the key of a cached success. It contains no secret: without the
// process's random key, guesses cannot be tested against it. Hashing the key before
// the texts is sufficient, because the result is never published, and takes less
// memory than a MAC.
func (v *Verifier) cacheKey(a attempt) [32]byte {
	var message [512]byte // usually large enough
	return sha256.Sum256(appendTexts(append(message[:0], v.key[:]...), a.hash, a.name, a.password))
}

// mac returns the HMAC-SHA256 of texts.
func mac(key [32]byte, texts ...string) [32]byte {
	mac := hmac.New(sha256.New, key[:])
	mac.Write(appendTexts(make([]byte, 0, 256), texts...))
	return [32]byte(mac.Sum(nil))
}

// appendTexts appends texts, each preceded by its length.
func appendTexts(message []byte, texts ...string) []byte {
	for _, text := range texts {
		message = append(binary.BigEndian.AppendUint64(message, uint64(len(text))), text...)
	}
	return message
}

// credentials normalizes a name and a password (RFC 7617, section 2.1, and the
// profiles of RFC 8265). It returns false for what cannot be normalized and so
// belongs to no user.
func credentials(name, password string) (string, string, bool) {
	if len(name) > maxName {
		name = ""
	}
	normal, ok := Normalize(name)
	if !ok {
		normal = "\x00" // not a user's name, but counted by the throttle
	}
	if len(password) > maxPassword {
		password, ok = password[:maxPassword], false
	}
	if printableASCII(password, ' ') {
		return normal, password, ok
	}
	opaque, err := precis.OpaqueString.String(password)
	if err != nil {
		opaque = password // an empty one, or one with control characters
	}
	for _, r := range password {
		ok = ok && !unicode.IsControl(r)
	}
	return normal, opaque, ok && utf8.ValidString(password)
}

// printableASCII reports whether a text is not empty and consists only of printable
// ASCII characters from a given one on, which the profiles of RFC 8265 leave
// unchanged: names from the exclamation mark on, passwords from the space on.
func printableASCII(text string, from byte) bool {
	for i := range len(text) {
		if text[i] < from || text[i] > '~' {
			return false
		}
	}
	return text != ""
}
