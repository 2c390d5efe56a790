package forward

import (
	"maps"
	"net/http"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// bodyHeaders tell of a body and how it is framed.
var bodyHeaders = []string{"content-length", "transfer-encoding", "trailer", "expect", "content-encoding", "content-type"}

// bare leaves of a preflight, which goes on without having been judged, what a
// browser sends: no upgrade, no body, and nothing that makes an application take
// it for another method (S-07).
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

// withdraw removes every credential from a preflight, which goes on without having
// been authenticated.
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
