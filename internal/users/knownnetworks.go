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
	// maxKnownNetworks is how many networks are known of a user; one more takes the place
	// of the one that was seen the longest ago.
	maxKnownNetworks = 16
	// knownNetworkTime is how long a network is known after it was seen last.
	knownNetworkTime = 90 * 24 * time.Hour
	// renewNoteTime is how long it is not written down again.
	renewNoteTime = 24 * time.Hour
	// hashSize and noteSize are the bytes of a network's keyed hash, and of a note
	// of it: with the time, in seconds.
	hashSize = 16
	noteSize = hashSize + 8
)

// knownNetworks are the networks from which users have signed in. Of each user
// there is one item in the store: notes, the latest first, of networks by keyed
// hashes, under a keyed hash of the name. The key is the hash of the user's
// password. So the store names neither, and a new password knows no network.
type knownNetworks struct {
	store *throttleStore
	now   func() time.Time
}

// knownNetworksKey returns where an account's networks are kept.
func knownNetworksKey(a account) string {
	name := mac(sha256.Sum256([]byte(a.hash)), "known networks", a.name)
	return "known-networks/" + base64.RawURLEncoding.EncodeToString(name[:])
}

// networkHash returns what stands for a network among an account's.
func networkHash(a account, client netip.Addr) []byte {
	mark := mac(sha256.Sum256([]byte(a.hash)), "known network", netutil.Network(client).String())
	return mark[:hashSize]
}

// has reports whether a user has signed in from a client's network.
func (k knownNetworks) has(ctx context.Context, a account, client netip.Addr) bool {
	_, found := k.find(k.store.get(ctx, knownNetworksKey(a)), networkHash(a, client))
	return found
}

// find returns the note of a network.
func (k knownNetworks) find(notes, mark []byte) (note []byte, found bool) {
	for ; len(notes) >= noteSize; notes = notes[noteSize:] {
		if bytes.Equal(notes[:hashSize], mark) {
			return notes[:noteSize], k.age(notes) < knownNetworkTime
		}
	}
	return nil, false
}

// age returns how long ago the network of a note was seen.
func (k knownNetworks) age(note []byte) time.Duration {
	return k.now().Sub(time.Unix(int64(binary.BigEndian.Uint64(note[hashSize:])), 0)) //nolint:gosec // a time
}

// add notes that a user has signed in from a client's network. Two at once may
// lose one of them, which is noted again with a later sign-in.
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
