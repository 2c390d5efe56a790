package login

import (
	"fmt"
	"net"
	"net/http"
	"strings"
)

// InsecureHint explains to the operator why a request counts as plain HTTP and how
// to change that: X-Forwarded-Proto is ignored unless the peer is in
// trusted_proxies.
func InsecureHint(r *http.Request) string {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err == nil && claimsHTTPS(r.Header) {
		return fmt.Sprintf("the peer %s sent X-Forwarded-Proto: https, but is not in trusted_proxies: if it is your proxy, add it in the global options: servers { trusted_proxies static %s }", peer, peer)
	}
	return "the request came over plain HTTP: use https, add the proxy that terminates TLS to trusted_proxies, or write insecure_http"
}

// claimsHTTPS reports whether X-Forwarded-Proto says that the client used https.
func claimsHTTPS(h http.Header) bool {
	for _, line := range h.Values("X-Forwarded-Proto") {
		if proto, _, _ := strings.Cut(line, ","); strings.EqualFold(strings.TrimSpace(proto), "https") {
			return true
		}
	}
	return false
}
