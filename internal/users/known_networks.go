package users

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/netutil"
)

const (
	// maxKnownNetworks is how many networks are stored per user. One more replaces
	// the one that was used the longest ago.
	maxKnownNetworks = 16
	// knownNetworkTime is how long a network is known after the user's last sign-in
	// from it.
	knownNetworkTime = 90 * 24 * time.Hour
	// renewNoteTime is how long a sign-in from a known network is not written again.
	renewNoteTime = 24 * time.Hour
	// hashSize is the length of a network's keyed hash, and noteSize the length of
	// its entry with the time in seconds, in bytes.
	hashSize = 16
	noteSize = hashSize + 8
)

// knownNetworks stores the networks from which users have signed in. Each user has
// one item: the entries of networks, the latest first, under a keyed hash of the
// user's name. The key is derived from the user's password hash. Therefore the
// store reveals neither names nor networks, and a new password starts with no known
// network.
type knownNetworks struct {
	store *throttleStore
	now   func() time.Time
}

// knownNetworksKey returns the store key of an account's networks.
func knownNetworksKey(a account) string {
	name := mac(sha256.Sum256([]byte(a.hash)), "known networks", a.name)
	return "known-networks/" + base64.RawURLEncoding.EncodeToString(name[:])
}

// networkHash returns the keyed hash of a client's network.
func networkHash(a account, client netip.Addr) []byte {
	mark := mac(sha256.Sum256([]byte(a.hash)), "known network", netutil.Network(client).String())
	return mark[:hashSize]
}

// has reports whether a user has signed in from the client's network.
func (k knownNetworks) has(ctx context.Context, a account, client netip.Addr) bool {
	_, found := k.find(k.store.get(ctx, knownNetworksKey(a)), networkHash(a, client))
	return found
}

// find returns the entry of a network.
func (k knownNetworks) find(notes, mark []byte) (note []byte, found bool) {
	for ; len(notes) >= noteSize; notes = notes[noteSize:] {
		if bytes.Equal(notes[:hashSize], mark) {
			return notes[:noteSize], k.age(notes) < knownNetworkTime
		}
	}
	return nil, false
}

// age returns how long ago a network's entry was written.
func (k knownNetworks) age(note []byte) time.Duration {
	return k.now().Sub(time.Unix(int64(binary.BigEndian.Uint64(note[hashSize:])), 0)) //nolint:gosec // a time
}

// add records that a user has signed in from the client's network. Of two
// concurrent calls one may be lost; a later sign-in records it again.
func (k knownNetworks) add(ctx context.Context, a account, client netip.Addr) {
	key, mark := knownNetworksKey(a), networkHash(a, client)
	notes := k.store.get(ctx, key)
	if note, found := k.find(notes, mark); found && k.age(note) < renewNoteTime {
		return
	}
	latest := binary.BigEndian.AppendUint64(bytes.Clone(mark), uint64(k.now().Unix())) //nolint:gosec // a time
	for ; len(notes) >= noteSize && len(latest) < maxKnownNetworks*noteSize; notes = notes[noteSize:] {
		if !bytes.Equal(notes[:hashSize], mark) && k.age(notes) < knownNetworkTime {
			latest = append(latest, notes[:noteSize]...)
		}
	}
	k.store.set(ctx, key, latest, knownNetworkTime)
}
