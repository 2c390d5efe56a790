package request

import (
	"net/http"
	"net/url"
	"strings"
)

// IsServiceWorker reports whether a browser asks for the script of a service worker,
// which then answers for every page below it (Service Workers, section "Update").
// No script can leave the header out, or set it.
func IsServiceWorker(r *http.Request) bool { return len(r.Header["Service-Worker"]) > 0 }

// IsSameOrigin reports whether a request comes from a page of the same host, or from
// no page at all: only browsers say where they come from.
func IsSameOrigin(r *http.Request) bool {
	lines := r.Header["Origin"]
	if len(lines) == 0 {
		return true
	}
	u, err := url.Parse(lines[0])
	return err == nil && len(lines) == 1 && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}
