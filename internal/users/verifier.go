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
	// maxPassword is how many bytes a password may have, before anything is done
	// with it.
	maxPassword = 4 << 10
	// maxWaiting is how many attempts wait for their hash to be computed, and as
	// many from networks that their users are known to sign in from. One more is
	// refused, of the network with the most.
	maxWaiting = 256
)

// Verifier verifies names and passwords. It remembers successes for a while,
// without keeping any secret, and slows down guessing. It is safe for
// concurrent use. Call NewVerifier.
type Verifier struct {
	hashes    Hashes
	throttle  *Throttle
	key       [32]byte
	successes *otter.Cache[[32]byte, struct{}]
	queue     *fairqueue.Queue
	now       func() time.Time
}

// NewQueue returns a queue for the computing of hashes, no more at a time than
// there are processors: each may take megabytes, and much of a second.
func NewQueue() *fairqueue.Queue {
	return fairqueue.New(runtime.GOMAXPROCS(0), maxWaiting, 0)
}

// NewVerifier returns a verifier; throttle nil slows no client down, queue nil is one
// of its own, now nil is time.Now.
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

// Result is what a Verifier says.
type Result struct {
	// User is set if the password is right and the account counts.
	User *User
	// Reason says why not: credentials_invalid, account_disabled, throttled or
	// busy: the queue had no room.
	Reason authenticator.Reason
	// Cause tells reasons apart for the log alone.
	Cause authenticator.Cause
	// Candidate is the name of a known user who was refused, or "".
	Candidate string
	// Details are for the log: of an unknown name its length and a keyed hash.
	Details []authenticator.Detail
	// RetryAfter is how long to wait when throttled or busy.
	RetryAfter time.Duration
}

// Verify says whether a name and a password are a user's. A name that is not in the
// set costs as much as one that is. A disabled or expired account is told apart
// only behind the right password, and only to the log: its password is neither
// remembered nor, for the throttle, better than a wrong one. Once throttled, the
// right password does not help either. Computing a hash waits for its turn; what
// is remembered does not.
func (v *Verifier) Verify(ctx context.Context, users *Users, name, password string, client netip.Addr) Result {
	result := v.verify(ctx, users, name, password, client)
	if result.User == nil {
		v.addLogDetails(&result, users, name)
	}
	return result
}

// verify does what Verify says, without what the log needs.
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

// attempt is a name and a password that a client has sent.
type attempt struct {
	account
	user       *User // nil for an unknown name
	password   string
	wellFormed bool // whether they can be a user's at all
	client     netip.Addr
	seed       [32]byte // of the users
}

// isCached reports whether the same attempt has had success, with the hash
// that the user has now.
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

// verifyHash computes a hash when it is the attempt's turn. A failure is counted before
// the next one has its turn, so that a burst of guesses is throttled like a row of
// them; a success likewise, so that a browser's first burst computes one.
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
	trusted := v.throttle.isTrusted(a.account, a.client) // perhaps since it waited
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

// hashFor returns a user's hash, or for an unknown name a dummy as costly as
// some user's: always the same one's for the same name, also after a restart, so
// that repeating a guess tells nothing. Which one it is only the hashes tell.
func (v *Verifier) hashFor(users *Users, user *User, name string) string {
	if user != nil {
		return user.Hash
	}
	if len(users.hashes) == 0 {
		return "" // there is no user to be told apart from
	}
	digest := mac(users.seed, name)
	return dummyHash(users.hashes[binary.BigEndian.Uint64(digest[:8])%uint64(len(users.hashes))])
}

// cacheKey returns the key of a success, which holds no secret: without the process's
// own random key no reader can test guesses against it. That one stands in front of
// the texts, which is enough for what is never shown, and takes no memory as a MAC does.
func (v *Verifier) cacheKey(a attempt) [32]byte {
	var message [512]byte // mostly it does not grow
	return sha256.Sum256(appendTexts(append(message[:0], v.key[:]...), a.hash, a.name, a.password))
}

// mac authenticates texts.
func mac(key [32]byte, texts ...string) [32]byte {
	mac := hmac.New(sha256.New, key[:])
	mac.Write(appendTexts(make([]byte, 0, 256), texts...))
	return [32]byte(mac.Sum(nil))
}

// appendTexts appends texts, each after its length.
func appendTexts(message []byte, texts ...string) []byte {
	for _, text := range texts {
		message = append(binary.BigEndian.AppendUint64(message, uint64(len(text))), text...)
	}
	return message
}

// credentials normalizes a name and a password (RFC 7617, section 2.1: NFC by
// way of RFC 8265's profiles). What cannot be normalized is no user's.
func credentials(name, password string) (string, string, bool) {
	if len(name) > maxName {
		name = ""
	}
	normal, ok := Normalize(name)
	if !ok {
		normal = "\x00" // no user's name, counted by the throttle all the same
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

// printableASCII reports whether a text is of printable ASCII from a character on
// alone, and of at least one, which the profiles of RFC 8265 leave as it is: names from
// the exclamation mark on, passwords from the space on.
func printableASCII(text string, from byte) bool {
	for i := range len(text) {
		if text[i] < from || text[i] > '~' {
			return false
		}
	}
	return text != ""
}
