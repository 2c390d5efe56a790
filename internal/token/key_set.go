package token

import (
	"errors"
	"fmt"
	"slices"
)

// maxCandidates is the maximum number of keys that are tried for a token.
const maxCandidates = 8

// KeySource provides the keys to verify a token with. Implementations are safe for
// concurrent use.
type KeySource interface {
	// Candidates returns the keys for an algorithm and a kid, which is "" if the
	// token has none. The verifier tries at most eight of them. The caller must not
	// change the slice. An error means that the keys are unavailable.
	Candidates(kid, algorithm string) ([]Key, error)
	// Algorithms returns the algorithms that the keys support, or may support once
	// there are keys: either symmetric or asymmetric ones, never both.
	Algorithms() []string
	// Generation identifies the current keys. It changes when they change, and is
	// nil if there are none. A token that was verified with one generation is
	// verified again with the next.
	Generation() any
}

// Refresher is a KeySource that can fetch newer keys.
type Refresher interface {
	// RefreshedCandidates returns Candidates again after none of them verified a
	// token. It fetches the keys, unless that was done recently, and waits for the
	// response. An error means that the last fetch failed, so that newer keys may
	// exist.
	RefreshedCandidates(kid, algorithm string) ([]Key, error)
}

// KeySet is an immutable set of keys. It implements KeySource.
type KeySet struct {
	keys       []Key
	algorithms []string
}

// NewKeySet returns a set of at least one key. Secrets and public keys cannot be
// mixed, because an attacker could choose which of them verifies a token. At most
// eight keys chosen by the operator may support one algorithm, because more are
// never tried.
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

// Candidates implements KeySource. Its error is always nil. A known kid selects its
// keys only. An unknown kid selects keys without a published kid. Without a kid all
// keys are candidates that do not require one.
func (s *KeySet) Candidates(kid, algorithm string) ([]Key, error) {
	named := kid != "" && slices.ContainsFunc(s.keys, func(k Key) bool { return k.id == kid })
	var candidates []Key
	for i, k := range s.keys {
		meant := kid == "" && !k.requiresKID || k.id == kid || !named && (k.pinned || k.id == "")
		switch {
		case !meant || !k.fits(algorithm):
		case candidates == nil:
			candidates = s.keys[i : i+1 : i+1] // usually the only one: no allocation
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

// checkMix rejects symmetric together with asymmetric algorithms (RFC 8725, section
// 2.1).
func checkMix(algorithms []string) error {
	if slices.ContainsFunc(algorithms, symmetric) && !allSymmetric(algorithms) {
		return fmt.Errorf("symmetric and asymmetric algorithms do not mix: %v", algorithms)
	}
	return nil
}

// allSymmetric reports whether all algorithms use a shared secret.
func allSymmetric(algorithms []string) bool {
	return !slices.ContainsFunc(algorithms, func(a string) bool { return !symmetric(a) })
}

// Interface guards.
var (
	_ KeySource       = (*KeySet)(nil)
	_ CachedKeySource = (*KeySet)(nil)
)
