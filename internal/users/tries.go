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

// While a name is locked, so many tries of it count in a day, from all networks
// that are not known and on all machines: maxFirst for the first try of each
// network, the rest for all, at most maxRest in a window. So the right password
// gets through, at a rate that is of no use for guessing.
const (
	maxTries  = 100
	maxFirst  = 60
	maxRest   = 10
	triesTime = 24 * time.Hour
)

// maxFirstWithin is how many networks have a first try of those within the same
// wider one, by the bits of its prefix.
var maxFirstWithin = map[int]int{64: 1, 56: 2, 48: 4, 32: 1, 24: 4}

// unknownNames is how many counts stand for all names that are no user's, so that
// strangers' names do not fill the store.
const unknownNames = 4096

// lockedTries counts the tries of names that are locked.
type lockedTries struct {
	keeper *keeper
	window time.Duration
}

// left reports whether an attempt may be one of the tries that count.
func (l lockedTries) left(ctx context.Context, a attempt) bool {
	prefix := a.triesPrefix()
	return l.leftFirst(ctx, prefix, a) || l.leftRest(ctx, prefix)
}

// take reports whether an attempt is one of the tries that count, and counts it.
func (l lockedTries) take(ctx context.Context, a attempt) bool {
	prefix := a.triesPrefix()
	if l.leftFirst(ctx, prefix, a) && l.takeFirst(ctx, prefix, a) {
		return true
	}
	return l.leftRest(ctx, prefix) && l.keeper.count(ctx, prefix+"window", l.window) <= maxRest &&
		l.keeper.count(ctx, prefix+"rest", triesTime) <= maxTries-maxFirst
}

// leftFirst reports whether there is a first try left for an attempt's network.
func (l lockedTries) leftFirst(ctx context.Context, prefix string, a attempt) bool {
	if l.counted(ctx, prefix+"first") >= maxFirst {
		return false
	}
	for _, network := range netutil.Networks(a.client) {
		if l.counted(ctx, networkKey(prefix, network)) >= maxFirstWithin[network.Bits()] {
			return false
		}
	}
	return true
}

// takeFirst counts the first try of a network; it is false if others were quicker.
func (l lockedTries) takeFirst(ctx context.Context, prefix string, a attempt) bool {
	for _, network := range netutil.Networks(a.client) {
		if l.keeper.count(ctx, networkKey(prefix, network), triesTime) > maxFirstWithin[network.Bits()] {
			return false
		}
	}
	return l.keeper.count(ctx, prefix+"first", triesTime) <= maxFirst
}

// leftRest reports whether there is a try left for all.
func (l lockedTries) leftRest(ctx context.Context, prefix string) bool {
	return l.counted(ctx, prefix+"rest") < maxTries-maxFirst && l.counted(ctx, prefix+"window") < maxRest
}

// networkKey is where a network's first tries are counted.
func networkKey(prefix string, network netip.Prefix) string {
	mark := mac(sha256.Sum256([]byte(prefix)), network.String())
	return prefix + base64.RawURLEncoding.EncodeToString(mark[:markSize])
}

// counted returns what a count is, without counting.
func (l lockedTries) counted(ctx context.Context, key string) int {
	n, _ := strconv.Atoi(string(l.keeper.get(ctx, key))) // nothing is 0
	return n
}

// triesPrefix begins the keys of what is counted of an attempt's name. It is a
// keyed hash of it, the same on all machines with the same users. Names that are
// no user's share some.
func (a attempt) triesPrefix() string {
	key := mac(a.seed, "locked user", a.name, a.hash)
	if a.user == nil {
		name := mac(a.seed, "locked name", a.name)
		key = mac(a.seed, "locked names", strconv.FormatUint(binary.BigEndian.Uint64(name[:8])%unknownNames, 10))
	}
	return "locked-tries/" + base64.RawURLEncoding.EncodeToString(key[:markSize]) + "/"
}
