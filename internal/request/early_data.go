package request

import "net/http"

// TooEarly reports whether the request may have been recorded and sent again by
// an attacker, and would then do harm (RFC 8470, section 3): it came before the
// TLS handshake was complete, as HTTP/3 allows, or a proxy says so, and it is
// more than a GET or HEAD. The sender of Early-Data is believed, since it only
// makes the client send the request once more.
func (r *Request) TooEarly() bool {
	incomplete := r.http.TLS != nil && !r.http.TLS.HandshakeComplete
	if !incomplete && !(r.kinds.Has(EarlyDataHeader) && len(r.http.Header["Early-Data"]) > 0) {
		return false
	}
	return r.http.Method != http.MethodGet && r.http.Method != http.MethodHead || r.meta.Method != r.http.Method ||
		r.upgrade.token != "" || r.kinds.Has(MethodOverrideHeader)
}
