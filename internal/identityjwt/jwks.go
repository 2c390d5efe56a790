package identityjwt

import (
	"net/http"
	"strconv"
	"time"
)

// KeysPath is where the keys are published, without authentication.
const KeysPath = "/.policy_auth/jwks"

// ServeKeys answers a request for the keys (RFC 7517, section 5). It is false for
// requests for any other path. ID returns the ID of the request, which a refusal has.
func (i *Issuer) ServeKeys(w http.ResponseWriter, r *http.Request, path string, id func() string) bool {
	if i == nil || path != KeysPath {
		return false
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		h.Set("X-Request-Id", id())
		w.WriteHeader(http.StatusMethodNotAllowed)
		return true
	}
	keys, err := i.keys.current(r.Context())
	if err != nil {
		i.config.Report(err)
		h.Set("Retry-After", "5")
		h.Set("X-Request-Id", id())
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	h.Set("Content-Type", "application/jwk-set+json")
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(maxAge/time.Second)))
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodGet {
		_, _ = w.Write(keys.published)
	}
	return true
}
