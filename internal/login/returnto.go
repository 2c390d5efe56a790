package login

import (
	"fmt"
	"net/http"
	"net/url"
	pathpkg "path"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// maxReturnTo bounds where to come back to, in bytes of the path and the query;
// sign-in pages carry it in their own URL.
const maxReturnTo = 4 << 10

// PathPrefix is the path below which this module's own pages are; no sign-in leads back to one.
const PathPrefix = "/.policy_auth/"

// ReturnTo returns the URL of this site to come back to after signing in: what
// was asked for, if a browser can ask for it again, or else the page of this
// site that asked. Where neither is fit it is the site's root, and tooLong says
// that it would be another page if its address were shorter. Asked is the URL
// that the client asked for, before any rewrite, scheme is the scheme as the
// client sees it, and without names parameters that hold credentials.
func ReturnTo(r *http.Request, asked *url.URL, scheme string, navigation bool, without []string) (to string, tooLong bool) {
	if r.Host == "" {
		return "/", false
	}
	origin, from := scheme+"://"+r.Host, asked
	if !navigation || r.Method != http.MethodGet && r.Method != http.MethodHead {
		from = referrer(r, origin)
	}
	if from == nil {
		return origin + "/", false
	}
	target := from.EscapedPath()
	if query := request.RemoveParameters(from.RawQuery, without); query != "" {
		target += "?" + encodeQuery(query)
	}
	if !isReturnTo(target) {
		return origin + "/", false
	}
	if len(target) > maxReturnTo {
		return origin + "/", true
	}
	return origin + target, false
}

// referrer returns the page that asked, if it is of this site, or nil.
func referrer(r *http.Request, origin string) *url.URL {
	u, err := url.Parse(r.Header.Get("Referer"))
	if err != nil || u.Opaque != "" || u.User != nil || !strings.EqualFold(u.Scheme+"://"+u.Host, origin) {
		return nil
	}
	return u
}

// SanitizeReturnTo returns a path of this site to come back to, with its query, from what a
// stranger may have written: the root for everything that some reader would take for
// another site's, and for our own pages (R-OID-11, T-40).
func SanitizeReturnTo(target string) string {
	target, _, _ = strings.Cut(target, "#")
	if len(target) > maxReturnTo || !isReturnTo(target) {
		return "/"
	}
	return target
}

// isReturnTo reports whether people may be sent to a path with a query after they
// signed in. ReturnTo, which writes return_to, and SanitizeReturnTo, which reads it, both ask
// it, so that what the one writes the other accepts.
func isReturnTo(target string) bool {
	path, query, _ := strings.Cut(target, "?")
	strange := func(c rune) bool { return c >= 0x7f || strings.ContainsRune("\"<>^`{|}", c) }
	return !strings.ContainsFunc(path, strange) && request.IsLocalPath(path, PathPrefix) && !isOwnPage(path) && !strings.ContainsFunc(query, mustEncode)
}

// mustEncode reports whether browsers percent-encode a character of a query (URL
// Standard, query percent-encode set). The others, such as { | } ^ and the
// backtick, they send as they are.
func mustEncode(c rune) bool {
	return c <= ' ' || c >= 0x7f || c == '"' || c == '#' || c == '<' || c == '>'
}

// encodeQuery encodes what a browser would have encoded.
func encodeQuery(query string) string {
	if !strings.ContainsFunc(query, mustEncode) {
		return query
	}
	var b strings.Builder
	for i := range len(query) {
		if c := query[i]; mustEncode(rune(c)) {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// isOwnPage reports whether a path leads to one of our pages once its dots are
// resolved.
func isOwnPage(escaped string) bool {
	decoded, err := url.PathUnescape(escaped)
	return err != nil || strings.HasPrefix(pathpkg.Clean(decoded)+"/", PathPrefix)
}
