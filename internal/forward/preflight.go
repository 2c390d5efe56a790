package forward

import (
	"maps"
	"net/http"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// bodyHeaders describe a body and its framing.
var bodyHeaders = []string{"content-length", "transfer-encoding", "trailer", "expect", "content-encoding", "content-type"}

// bare reduces a preflight, which is forwarded without a decision, to what browsers send:
// no upgrade, no body and no override of the method (S-07).
func bare(r *http.Request) {
	stripUpgrade(r, "", request.UpgradeHeader|request.ConnectionHeader)
	removeHeaders(r.Header, request.MethodOverrideHeaders...)
	removeHeaders(r.Header, bodyHeaders...)
	r.Body, r.ContentLength, r.TransferEncoding, r.Trailer = http.NoBody, 0, nil, nil
	if cut := request.RemoveParameters(r.URL.RawQuery, []string{request.MethodParameter}); cut != r.URL.RawQuery {
		r.URL.RawQuery = cut
		r.RequestURI = r.URL.RequestURI()
	}
}

// withdraw removes all credentials from a preflight, which is forwarded without
// authentication.
func withdraw(h http.Header, names []string) {
	for _, name := range names {
		delete(h, http.CanonicalHeaderKey(name))
	}
	maps.DeleteFunc(h, func(name string, _ []string) bool {
		switch strings.ToLower(name) {
		case "authorization", "proxy-authorization", "cookie":
			return true
		}
		return false
	})
}
