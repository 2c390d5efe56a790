package login

import (
	"fmt"
	"net/http"
	"net/url"
	pathpkg "path"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// maxReturnTo is the maximum length of a return_to path with its query, in bytes.
// Sign-in pages have it in their own URL.
const maxReturnTo = 4 << 10

// PathPrefix is the prefix of this module's own pages. Sign-ins return to none of them
// but AppPasswordsPath.
const PathPrefix = "/.policy_auth/"

// ReturnTo returns the absolute URL of this site to return to after signing in. It
// is the requested URL if a browser can request it again (a navigation with GET or
// HEAD), and else the page of this site in Referer. If neither can be used it is
// the site's root, and tooLong says that the URL was longer than 4096 bytes. Asked
// is the requested URL before any rewrite, scheme is the client's, and the query
// parameters in without, which hold credentials, are removed.
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

// referrer returns the URL in Referer if it has the same origin, or nil.
func referrer(r *http.Request, origin string) *url.URL {
	u, err := url.Parse(r.Header.Get("Referer"))
	if err != nil || u.Opaque != "" || u.User != nil || !strings.EqualFold(u.Scheme+"://"+u.Host, origin) {
		return nil
	}
	return u
}

// SanitizeReturnTo returns a return_to parameter if it is a path on this site, with
// its query and without its fragment. Any other value, which some browser or proxy
// may resolve to another site or which is one of our own pages, becomes "/"
// (R-OID-11, T-40).
func SanitizeReturnTo(target string) string {
	target, _, _ = strings.Cut(target, "#")
	if len(target) > maxReturnTo || !isReturnTo(target) {
		return "/"
	}
	return target
}

// isReturnTo reports whether a path with a query is safe to redirect to. ReturnTo
// and SanitizeReturnTo both call it, so that the parameter which one of them writes
// is accepted by the other.
func isReturnTo(target string) bool {
	path, query, _ := strings.Cut(target, "?")
	strange := func(c rune) bool { return c >= 0x7f || strings.ContainsRune("\"<>^`{|}", c) }
	if path == AppPasswordsPath && query == "" {
		return true
	}
	return !strings.ContainsFunc(path, strange) && request.IsLocalPath(path, PathPrefix) && !isOwnPage(path) && !strings.ContainsFunc(query, mustEncode)
}

// mustEncode reports whether browsers percent-encode a character in a query (URL
// Standard, query percent-encode set). They send others, such as { | } ^ and the
// backtick, unchanged.
func mustEncode(c rune) bool {
	return c <= ' ' || c >= 0x7f || c == '"' || c == '#' || c == '<' || c == '>'
}

// encodeQuery percent-encodes the characters that a browser encodes.
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

// isOwnPage reports whether a path, after its dot segments are resolved, is one of
// our own pages.
func isOwnPage(escaped string) bool {
	decoded, err := url.PathUnescape(escaped)
	return err != nil || strings.HasPrefix(pathpkg.Clean(decoded)+"/", PathPrefix)
}
