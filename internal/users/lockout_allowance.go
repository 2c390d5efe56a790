package users

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"strconv"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/netutil"
)

// While a name is locked, these limits apply to its tries in a day, from all unknown
// networks and on all machines: maxFirstAttempts for the first try of each network, the
// rest for all networks together, at most maxRepeatedPerWindow in a window. So the right password gets
// through, at a rate that is too low for guessing. maxFirstWide of the first tries have to
// come from different /48s or /24s, so that a customer with many networks in one of
// them cannot use up all tries; the other first tries need a different network only.
const (
	maxAttempts          = 100
	maxFirstAttempts     = 60
	maxFirstWide         = 32
	maxRepeatedPerWindow = 10
	allowanceTime        = 24 * time.Hour
)

// unknownNames is how many counters all unknown names share, so that they cannot
// fill the store.
const unknownNames = 4096

// lockoutAllowance counts the attempts for locked names.
type lockoutAllowance struct {
	store  *throttleStore
	window time.Duration
}

// available reports whether an attempt may be allowed while its name is locked.
func (l lockoutAllowance) available(a attempt) bool {
	prefix := a.allowancePrefix()
	wide, narrow := l.isFirst(prefix, a)
	return wide || narrow || !l.store.isFull(prefix+"rest") && !l.store.isFull(prefix+"window")
}

// take reports whether an attempt is allowed while its name is locked, and counts
// it.
func (l lockoutAllowance) take(ctx context.Context, a attempt) bool {
	prefix := a.allowancePrefix()
	if l.takeFirst(ctx, prefix, a) {
		return true
	}
	return !l.store.isFull(prefix+"rest") && !l.store.isFull(prefix+"window") &&
		l.store.count(ctx, prefix+"window", maxRepeatedPerWindow, l.window) && l.store.count(ctx, prefix+"rest", maxAttempts-maxFirstAttempts, allowanceTime)
}

// isFirst reports whether an attempt may count as the first one of the widest
// network that its client is in, and whether as the first one of the narrowest.
func (l lockoutAllowance) isFirst(prefix string, a attempt) (wide, narrow bool) {
	networks := netutil.Networks(a.client)
	if l.store.isFull(firstAttemptKey(prefix, networks[len(networks)-1])) {
		return false, false
	}
	wide = !l.store.isFull(firstAttemptKey(prefix, networks[0])) && !l.store.isFull(prefix+"wide")
	return wide, !l.store.isFull(prefix + "narrow")
}

// takeFirst counts the first attempt of a network. It returns false if there is no
// such attempt left or if other requests took it.
func (l lockoutAllowance) takeFirst(ctx context.Context, prefix string, a attempt) bool {
	wide, narrow := l.isFirst(prefix, a)
	networks := netutil.Networks(a.client)
	if !wide && !narrow || !l.store.count(ctx, firstAttemptKey(prefix, networks[len(networks)-1]), 1, allowanceTime) {
		return false
	}
	if wide && (len(networks) == 1 || l.store.count(ctx, firstAttemptKey(prefix, networks[0]), 1, allowanceTime)) &&
		l.store.count(ctx, prefix+"wide", maxFirstWide, allowanceTime) {
		return true
	}
	return narrow && l.store.count(ctx, prefix+"narrow", maxFirstAttempts-maxFirstWide, allowanceTime)
}

// firstAttemptKey returns the key of the counter of a network's first attempts.
func firstAttemptKey(prefix string, network netip.Prefix) string {
	mark := mac(sha256.Sum256([]byte(prefix)), network.String())
	return prefix + base64.RawURLEncoding.EncodeToString(mark[:hashSize])
}

// allowancePrefix returns the prefix of the counter keys of an attempt's name: a
// keyed hash of the name, which is the same on all machines with the same users.
// Unknown names share unknownNames prefixes.
func (a attempt) allowancePrefix() string {
	key := mac(a.seed, "locked user", a.name, a.hash)
	if a.user == nil {
		name := mac(a.seed, "locked name", a.name)
		key = mac(a.seed, "locked names", strconv.FormatUint(binary.BigEndian.Uint64(name[:8])%unknownNames, 10))
	}
	return "locked-tries/" + base64.RawURLEncoding.EncodeToString(key[:hashSize]) + "/"
}
