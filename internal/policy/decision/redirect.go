package decision

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// Redirect is the target of a redirect for denied requests.
type Redirect struct {
	// To is a path on the same origin.
	To string
	// Status is 301, 302, 303, 307 or 308.
	Status int
}

// redirects are the statuses that send the client elsewhere.
var redirects = []int64{
	http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect,
}

// decodeRedirect takes {to, status}. Only a path on the same origin will do:
// whatever a browser might read as another host is refused (T-40).
func (d *decoder) decodeRedirect(value any) error {
	members, err := decodeMembers(value, "want {to, status}")
	if err != nil {
		return err
	}
	r := &Redirect{Status: http.StatusSeeOther}
	for _, m := range members {
		switch m.name {
		case "to":
			if err := decodeText(&r.To, m.value, maxText); err != nil || !sameOrigin(r.To) {
				return errors.New("to: want a path on the same origin, such as /welcome")
			}
			if end := strings.IndexAny(r.To+"?", "?#"); !request.IsLocalPath(r.To[:end], "") {
				r.To = "/" // it would resolve to another origin for some reader
			}
		case "status":
			status, err := decodeInt(m.value)
			if err != nil || !slices.Contains(redirects, status) {
				return errors.New("status: want 301, 302, 303, 307 or 308")
			}
			r.Status = int(status)
		default:
			return fmt.Errorf("%s: unknown; want to or status", m.name)
		}
	}
	if r.To == "" {
		return errors.New("to: missing")
	}
	d.decision.Redirect = r
	return nil
}

// sameOrigin reports whether a reference is a path that every browser resolves
// on the same origin.
func sameOrigin(to string) bool {
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") {
		return false
	}
	return !strings.ContainsFunc(to, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' })
}
