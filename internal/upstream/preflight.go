package upstream

import (
	"net/http"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// bodyHeaders tell of a body and how it is framed.
var bodyHeaders = []string{"content-length", "transfer-encoding", "trailer", "expect", "content-encoding", "content-type"}

// Bare leaves of a preflight, which goes on without having been judged, what a
// browser sends: no upgrade, no body, and nothing that makes an application take
// it for another method (S-07).
func Bare(r *http.Request) {
	StripUpgrade(r, "", request.Upgrading|request.Connection)
	remove(r.Header, request.MethodOverrides...)
	remove(r.Header, bodyHeaders...)
	r.Body, r.ContentLength, r.TransferEncoding, r.Trailer = http.NoBody, 0, nil, nil
	if cut := request.CutParameters(r.URL.RawQuery, []string{request.MethodParameter}); cut != r.URL.RawQuery {
		r.URL.RawQuery = cut
		r.RequestURI = r.URL.RequestURI()
	}
}
