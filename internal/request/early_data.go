package request

import (
	"net/http"
	"slices"
	"strings"
)

// TooEarly reports whether the request is unsafe to process as TLS early data, which an
// attacker can replay (RFC 8470, section 3): it arrived before the TLS handshake was
// complete, as HTTP/3 allows, or has an Early-Data header, and it is not a plain GET or
// HEAD, or it has a DPoP proof (S-03). The header is trusted from any client, because it only makes the client retry.
func (r *Request) TooEarly() bool {
	if !r.EarlyData() {
		return false
	}
	return r.http.Method != http.MethodGet && r.http.Method != http.MethodHead || r.meta.Method != r.http.Method ||
		r.upgrade.token != "" || r.kinds.Has(MethodOverrideHeader) || r.isProven()
}

// EarlyData reports whether the request may have arrived as TLS early data.
func (r *Request) EarlyData() bool {
	incomplete := r.http.TLS != nil && !r.http.TLS.HandshakeComplete
	return incomplete || r.kinds.Has(EarlyDataHeader) && len(r.http.Header["Early-Data"]) > 0
}

// isProven reports whether the request has a DPoP proof or the scheme DPoP (RFC 9449,
// section 7.1).
func (r *Request) isProven() bool {
	return len(r.http.Header["Dpop"]) > 0 || slices.ContainsFunc(r.http.Header["Authorization"], func(line string) bool {
		return len(line) >= len("DPoP") && strings.EqualFold(line[:len("DPoP")], "DPoP")
	})
}
