package request

import (
	"net/http"
	"net/url"
	"strings"
)

// IsServiceWorker reports whether a browser requests the script of a service worker, which
// then controls every page below its path (Service Workers, section "Update"). Scripts
// can neither set nor omit the header.
func IsServiceWorker(r *http.Request) bool { return len(r.Header["Service-Worker"]) > 0 }

// IsSameOrigin reports whether a request comes from a page of the same host, or has no
// Origin header because no page sent it.
func IsSameOrigin(r *http.Request) bool {
	lines := r.Header["Origin"]
	if len(lines) == 0 {
		return true
	}
	u, err := url.Parse(lines[0])
	return err == nil && len(lines) == 1 && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}
