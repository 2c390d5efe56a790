package token

import (
	"errors"
	"fmt"
	"slices"
)

// maxCandidates is how many keys are tried for one token.
const maxCandidates = 8

// KeySource finds the keys that may have signed a token. Implementations are
// safe for concurrent use and answer from memory.
type KeySource interface {
	// Candidates returns the keys that fit the algorithm and that kid, which is
	// "" if the token has none, may mean. At most eight of them are tried. The caller
	// must not change them. An error means that it cannot be told, since the keys are
	// out of reach.
	Candidates(kid, algorithm string) ([]Key, error)
	// Algorithms returns those that the source's keys fit, or may fit once it
	// has keys: either symmetric or asymmetric ones, never both.
	Algorithms() []string
	// Generation names the keys in use: it changes whenever they do, and is nil
	// while there are none. A token that one generation verified is verified
	// again by the next.
	Generation() any
}

// Refresher is a KeySource that can ask for newer keys.
type Refresher interface {
	// RefreshedCandidates returns Candidates once more after none of them signed a token. It asks
	// for the keys anew unless that was done just now, and waits for the answer. An
	// error says that the last time there was none, so that newer keys may exist.
	RefreshedCandidates(kid, algorithm string) ([]Key, error)
}

// KeySet is an immutable set of keys. It is a KeySource.
type KeySet struct {
	keys       []Key
	algorithms []string
}

// NewKeySet returns a set of at least one key. Secrets and public keys do not mix:
// a token's maker could choose which of the two it is held against. Of the keys
// that an operator chose, at most eight may fit one algorithm, because further
// ones would never be tried.
func NewKeySet(keys ...Key) (*KeySet, error) {
	if len(keys) == 0 {
		return nil, errors.New("a key set needs at least one key")
	}
	s := &KeySet{keys: slices.Clone(keys)}
	for _, k := range keys {
		for _, algorithm := range k.algorithms {
			if !slices.Contains(s.algorithms, algorithm) {
				s.algorithms = append(s.algorithms, algorithm)
			}
		}
	}
	for _, algorithm := range s.algorithms {
		if s.pinned(algorithm) > maxCandidates {
			return nil, fmt.Errorf("more than %d keys fit the algorithm %s", maxCandidates, algorithm)
		}
	}
	if err := checkMix(s.algorithms); err != nil {
		return nil, err
	}
	return s, nil
}

// pinned counts the pinned keys that fit an algorithm.
func (s *KeySet) pinned(algorithm string) int {
	n := 0
	for _, k := range s.keys {
		if k.pinned && k.fits(algorithm) {
			n++
		}
	}
	return n
}

// Candidates implements KeySource; its error is always nil. A kid that names a
// key means that key alone. One that names none may mean a key without a
// published kid; without a kid any key that fits is tried, unless it must be named.
func (s *KeySet) Candidates(kid, algorithm string) ([]Key, error) {
	named := kid != "" && slices.ContainsFunc(s.keys, func(k Key) bool { return k.id == kid })
	var candidates []Key
	for i, k := range s.keys {
		meant := kid == "" && !k.requiresKID || k.id == kid || !named && (k.pinned || k.id == "")
		switch {
		case !meant || !k.fits(algorithm):
		case candidates == nil:
			candidates = s.keys[i : i+1 : i+1] // mostly the only one, which costs no memory
		default:
			candidates = append(candidates, k)
		}
	}
	return candidates, nil
}

// Algorithms implements KeySource. The caller must not change the result.
func (s *KeySet) Algorithms() []string { return s.algorithms }

// Generation implements KeySource: a set never changes.
func (s *KeySet) Generation() any { return s }

// checkMix refuses symmetric and asymmetric algorithms side by side (RFC 8725,
// section 2.1).
func checkMix(algorithms []string) error {
	if slices.ContainsFunc(algorithms, symmetric) && !allSymmetric(algorithms) {
		return fmt.Errorf("symmetric and asymmetric algorithms do not mix: %v", algorithms)
	}
	return nil
}

// allSymmetric reports whether every algorithm's key is a secret.
func allSymmetric(algorithms []string) bool {
	return !slices.ContainsFunc(algorithms, func(a string) bool { return !symmetric(a) })
}
