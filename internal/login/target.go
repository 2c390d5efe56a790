package login

import (
	"net/url"
	"strings"
)

// Target is where a site's users sign in: on its own pages or on an external page.
// Exactly one field is set.
type Target struct {
	Site     *Site
	External *ExternalPage
}

// Matches reports whether a URL of this site is the external sign-in page, to which
// its own requests are not redirected. Our own pages are never denied.
func (d *Target) Matches(host, escapedPath string) bool {
	return d.External != nil && d.External.Matches(host, escapedPath)
}

// URL returns the URL of the sign-in page that returns to an absolute URL of this
// site. Name selects a method of our own pages, and more are further parameters.
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
