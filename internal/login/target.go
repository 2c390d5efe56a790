package login

import (
	"net/url"
	"strings"
)

// Target is where a site's people sign in: on its own pages, or on an external
// one. One of the two is set.
type Target struct {
	Site     *Site
	External *ExternalPage
}

// Matches reports whether a URL of this site is the sign-in page itself, from which
// no browser is sent to it again. Our own pages are never refused like that.
func (d *Target) Matches(host, escapedPath string) bool {
	return d.External != nil && d.External.Matches(host, escapedPath)
}

// URL returns where to sign in, to come back to an absolute URL of this site: by
// the login of a name, if there is one, and with what a step-up asks for.
func (d *Target) URL(returnTo, name string, more url.Values) string {
	if d.External != nil {
		return d.External.URL(returnTo)
	}
	if _, rest, ok := strings.Cut(returnTo, "://"); ok {
		_, path, _ := strings.Cut(rest, "/")
		returnTo = "/" + path
	}
	return d.Site.URL(returnTo, name, more)
}
