package identityjwt

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// rotation is how long a key signs.
	rotation = 30 * 24 * time.Hour
	// maxAge is how long others may cache the published keys.
	maxAge = time.Hour
	// checkEvery is how often the storage is read, because another machine may have
	// made a key. While one request reads it, others do not wait, until the known
	// keys are twice as old.
	checkEvery = 5 * time.Minute
	// lead is how long before its start a key is made: a client whose keys lack it
	// got them from a machine that had not read the storage yet.
	lead = maxAge + 2*checkEvery
	// keep is how long a key is published after the next one started: as long as the
	// last JWT that it signed is valid, and ten minutes for clocks that differ.
	keep = maxLifetime + 10*time.Minute
)

// keySet are keys in the order of their start, at least one.
type keySet struct {
	keys      []key
	published []byte // JWKS (RFC 7517, section 5)
}

// newKeySet returns the set of keys.
func newKeySet(keys []key) (*keySet, error) {
	public := jose.JSONWebKeySet{}
	for _, k := range keys {
		public.Keys = append(public.Keys, k.jwk.Public())
	}
	published, err := json.Marshal(public)
	return &keySet{keys, published}, err
}

// signer returns the key that signs at a time: the last one that has started.
func (s *keySet) signer(now time.Time) key {
	for i := len(s.keys) - 1; i > 0; i-- {
		if !now.Before(s.keys[i].start) {
			return s.keys[i]
		}
	}
	return s.keys[0]
}

// rotate returns the keys that the storage should have at a time, and whether they
// differ from those that it has: the first key starts at once, and each later one when
// it has been published for long enough.
func rotate(keys []key, now time.Time) ([]key, bool, error) {
	changed := false
	for len(keys) > 1 && !now.Before(keys[1].start.Add(keep)) {
		keys, changed = keys[1:], true
	}
	start := now
	if len(keys) > 0 {
		last := keys[len(keys)-1]
		if now.Before(last.start.Add(rotation - lead)) {
			return keys, changed, nil
		}
		start = later(last.start.Add(rotation), now.Add(lead))
	}
	made, err := makeKey(start)
	if err != nil {
		return nil, false, err
	}
	return append(slices.Clip(keys), made), true, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
