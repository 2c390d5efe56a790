package login

import (
	"net/http"
	"net/url"
	pathpkg "path"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// maxReturnTo bounds where to come back to, in bytes; sign-in pages carry it in
// their own URL.
const maxReturnTo = 2048

// Own is the path below which this module's own pages are; nobody comes back to one.
const Own = "/.policy_auth/"

// ReturnTo returns the URL of this site to come back to after signing in: what
// was asked for, if a browser can ask for it again, or else the page of this
// site that asked. Where neither is fit it is the site's root. Asked is the URL
// that the client asked for, before any rewrite, scheme is the scheme as the
// client sees it, and without names parameters that hold credentials.
func ReturnTo(r *http.Request, asked *url.URL, scheme string, navigation bool, without []string) string {
	if r.Host == "" {
		return "/"
	}
	origin, target := scheme+"://"+r.Host, asked
	if !navigation || r.Method != http.MethodGet && r.Method != http.MethodHead {
		target = referrer(r, origin)
	}
	if target == nil || !IsSafePath(target.EscapedPath()) {
		return origin + "/"
	}
	result := origin + target.EscapedPath()
	if query := request.CutParameters(target.RawQuery, without); query != "" {
		result += "?" + query
	}
	if len(result) > maxReturnTo {
		return origin + "/"
	}
	return result
}

// referrer returns the page that asked, if it is of this site, or nil.
func referrer(r *http.Request, origin string) *url.URL {
	u, err := url.Parse(r.Header.Get("Referer"))
	if err != nil || u.Opaque != "" || u.User != nil || !strings.EqualFold(u.Scheme+"://"+u.Host, origin) {
		return nil
	}
	return u
}

// IsSafePath reports whether every browser, and every program that decodes once
// more than it should, takes an escaped path for a path on this site (T-40).
func IsSafePath(escaped string) bool { return request.IsLocalPath(escaped, Own) }

// Local returns a path of this site to come back to, with its query, from what a
// stranger may have written: the root for whatever any reader would take for
// another site's, or for one of our own pages (R-OID-11, T-40).
func Local(target string) string {
	target, _, _ = strings.Cut(target, "#")
	path, _, _ := strings.Cut(target, "?")
	strange := func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune("\\\"<>^`{|}", c) }
	if len(target) > maxReturnTo || strings.ContainsFunc(target, strange) || !IsSafePath(path) || isOwn(path) {
		return "/"
	}
	return target
}

// isOwn reports whether a path leads to one of our pages once its dots are
// resolved.
func isOwn(escaped string) bool {
	decoded, err := url.PathUnescape(escaped)
	return err != nil || strings.HasPrefix(pathpkg.Clean(decoded)+"/", Own)
}
