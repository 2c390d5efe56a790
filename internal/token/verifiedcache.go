package token

import (
	"crypto/sha256"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// maxCached bounds the verified tokens that are remembered, by a generous
// estimate of the memory that they take, in bytes.
const maxCached = 32 << 20

// verified is what is remembered of a token that was found good.
type verified struct {
	id         *authenticator.Identity
	expires    time.Time // from here on the token is verified again
	generation any       // of the keys
	size       uint32
}

// cache remembers verified tokens by the SHA-256 of the whole token, so that
// none of it is kept and no two are taken for each other. It belongs to one
// verifier: what another configuration found good does not count here.
type cache struct {
	*otter.Cache[[sha256.Size]byte, *verified]
}

func newCache() cache {
	return cache{otter.Must(&otter.Options[[sha256.Size]byte, *verified]{
		MaximumWeight: maxCached,
		Weigher:       func(_ [sha256.Size]byte, v *verified) uint32 { return v.size },
	})}
}

// keyOf hashes a token without copying it.
func keyOf(raw string) [sha256.Size]byte {
	return sha256.Sum256(bytesOf(raw))
}

// VerifyCached returns the identity of a token if it was found good before, by keys
// that are still in use, and has not expired since; nil otherwise, which says
// nothing about the token. It allocates nothing.
func (v *Verifier) VerifyCached(raw string) *authenticator.Identity {
	if raw == "" || len(raw) > maxToken {
		return nil
	}
	entry, ok := v.cache.GetIfPresent(keyOf(raw))
	if !ok || !v.now().Before(entry.expires) {
		return nil
	}
	if generation := v.keys.Generation(); generation == nil || generation != entry.generation {
		return nil
	}
	return entry.id
}

// remember keeps a token that was just found good by keys of a generation.
func (v *Verifier) remember(raw string, id *authenticator.Identity, generation any) {
	if generation == nil {
		return
	}
	size := uint32(1<<10 + 8*len(raw)) //nolint:gosec // a token is at most 16 KiB
	v.cache.Set(keyOf(raw), &verified{id: id, expires: time.Unix(id.ExpiresAt, 0), generation: generation, size: size})
}
