package forward

import (
	"net/http"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// stripUpgrade removes all protocols from Upgrade but the one that was decided about, or
// all of them for "": otherwise a tunnel could open that policies do not see. It always
// removes the settings of cleartext HTTP/2 (RFC 7540, section 3.2.1). Kinds are those of the request's headers.
func stripUpgrade(r *http.Request, judged string, kinds request.HeaderKinds) {
	removed := request.UpgradeHeaders
	if judged != "" && r.Method != http.MethodConnect { // it has its protocol in :protocol
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

// disconnect removes options from Connection. It does not modify the slice of lines,
// because the access log shares it.
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
