package forward

import (
	"net/http"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// stripUpgrade leaves of the protocols that a client would change its connection
// to only the one that was judged, or none for "": no tunnel opens that policies
// cannot see into. The settings of cleartext HTTP/2 (RFC 7540, section 3.2.1)
// always go. Kinds are those of the request's headers.
func stripUpgrade(r *http.Request, judged string, kinds request.HeaderKinds) {
	removed := request.UpgradeHeaders
	if judged != "" && r.Method != http.MethodConnect { // whose protocol is no header
		removed = removed[:1]
		r.Header["Upgrade"] = []string{judged}
	}
	if kinds.Has(request.UpgradeHeader) {
		removeHeaders(r.Header, removed...)
	}
	if !kinds.Has(request.ConnectionHeader) {
		return
	}
	if lines := r.Header["Connection"]; len(lines) > 0 {
		disconnect(r.Header, lines, removed)
	}
}

// disconnect takes options out of Connection. The lines themselves are not
// changed, since the access log shares them.
func disconnect(h http.Header, lines, removed []string) {
	var kept []string
	for _, line := range lines {
		for option := range strings.SplitSeq(line, ",") {
			option = strings.TrimSpace(option)
			if option != "" && !slices.ContainsFunc(removed, func(name string) bool { return request.SameHeaderName(option, name) }) {
				kept = append(kept, option)
			}
		}
	}
	if len(kept) == 0 {
		delete(h, "Connection")
		return
	}
	h["Connection"] = []string{strings.Join(kept, ", ")}
}
