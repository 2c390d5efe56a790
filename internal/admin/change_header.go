package admin

import (
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
)

// ChangeHeader is a header that requests must have that change share links or app
// passwords, with any value. A page of another site cannot send it without a preflight,
// which the admin API does not answer (S-42).
//
// DELETE of sessions and POST of policies/reload are older, and scripts send them without
// it. Caddy's check of origins protects them from browsers, as it does all of the admin
// API; a DELETE from another origin needs a preflight besides, which Caddy does not answer.
const ChangeHeader = "X-Policy-Auth"

// checkChange returns an error for a request without ChangeHeader.
func checkChange(r *http.Request) error {
	if r.Header.Get(ChangeHeader) == "" {
		return caddy.APIError{HTTPStatus: http.StatusForbidden, Err: fmt.Errorf("a request that changes share links or app passwords needs the header %s: 1", ChangeHeader)}
	}
	return nil
}
