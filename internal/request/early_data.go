package request

import "net/http"

// TooEarly reports whether the request is unsafe to process as TLS early data, which an
// attacker can replay (RFC 8470, section 3): it arrived before the TLS handshake was
// complete, as HTTP/3 allows, or has an Early-Data header, and it is not a plain GET or
// HEAD. The header is trusted from any client, because it only makes the client retry.
func (r *Request) TooEarly() bool {
	incomplete := r.http.TLS != nil && !r.http.TLS.HandshakeComplete
	if !incomplete && !(r.kinds.Has(EarlyDataHeader) && len(r.http.Header["Early-Data"]) > 0) {
		return false
	}
	return r.http.Method != http.MethodGet && r.http.Method != http.MethodHead || r.meta.Method != r.http.Method ||
		r.upgrade.token != "" || r.kinds.Has(MethodOverrideHeader)
}
