package token

import (
	"crypto/sha256"
	"time"

	"github.com/maypok86/otter/v2"
)

// maxCacheBytes limits the cache of verified tokens by a generous estimate of its
// memory, in bytes.
const maxCacheBytes = 32 << 20

// cachedToken is the result of a verified token.
type cachedToken struct {
	token      Token
	expires    time.Time // after this the token is verified again
	generation any       // of the keys
	size       uint32
}

// tokenCache caches verified tokens by the SHA-256 of the whole
// token, so that it stores no token. Each verifier has its own cache, since another
// configuration may reject the token.
type tokenCache struct {
	*otter.Cache[[sha256.Size]byte, *cachedToken]
}

func newTokenCache() tokenCache {
	return tokenCache{otter.Must(&otter.Options[[sha256.Size]byte, *cachedToken]{
		MaximumWeight: maxCacheBytes,
		Weigher:       func(_ [sha256.Size]byte, v *cachedToken) uint32 { return v.size },
	})}
}

// cacheKey hashes a token without copying it.
func cacheKey(raw string) [sha256.Size]byte {
	return sha256.Sum256(bytesOf(raw))
}

// VerifyCached returns a token that was verified before, by keys that are still in
// use, and that has not expired. It returns false if the token is not in the cache,
// which does not mean that it is invalid. It allocates no memory. A proof for the
// Confirmation of the token is never cached.
func (v *Verifier) VerifyCached(raw string) (Token, bool) {
	if raw == "" || len(raw) > maxToken {
		return Token{}, false
	}
	entry, ok := v.cache.GetIfPresent(cacheKey(raw))
	if !ok || !v.now().Before(entry.expires) {
		return Token{}, false
	}
	if generation := v.keys.Generation(); generation == nil || generation != entry.generation {
		return Token{}, false
	}
	return entry.token, true
}

// cacheToken stores a token that was verified with keys of a generation.
func (v *Verifier) cacheToken(raw string, t Token, generation any) {
	if generation == nil {
		return
	}
	size := uint32(1<<10 + 8*len(raw)) //nolint:gosec // a token is at most 16 KiB
	v.cache.Set(cacheKey(raw), &cachedToken{token: t, expires: time.Unix(t.Identity.ExpiresAt, 0), generation: generation, size: size})
}
