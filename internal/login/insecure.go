package login

import (
	"fmt"
	"net"
	"net/http"
	"strings"
)

// InsecureHint tells the operator why a request counts as plain HTTP, and what to do:
// a peer that says it ended TLS is not believed unless it is in trusted_proxies.
func InsecureHint(r *http.Request) string {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err == nil && claimsHTTPS(r.Header) {
		return fmt.Sprintf("the peer %s says that it ended TLS, but is not in trusted_proxies: if it is your proxy, add it in the global options: servers { trusted_proxies static %s }", peer, peer)
	}
	return "the request came over plain HTTP: use https, name the proxy that ends TLS in trusted_proxies, or say insecure_http"
}

// claimsHTTPS reports whether the forwarding headers of a request say that the
// client used https.
func claimsHTTPS(h http.Header) bool {
	for _, line := range h.Values("X-Forwarded-Proto") {
		if proto, _, _ := strings.Cut(line, ","); strings.EqualFold(strings.TrimSpace(proto), "https") {
			return true
		}
	}
	return false
}
