package request

import (
	"regexp"
	"strings"
)

// LinkPrefix begins the path of every share link; the token that follows is a secret. A site
// without share links takes such a path for any other, and its log must not have the token
// either (S-19): it may be one of another site.
const LinkPrefix = "/.policy_auth/link/"

// linkToken matches the path of a share link within a text, also in a query, with its dot
// and slashes encoded any number of times, empty segments, "." and parameters (;).
var linkToken = func() *regexp.Regexp {
	const (
		dot   = `(?:\.|%(?:25)*2e)`
		slash = `(?:/|%(?:25)*2f)`
		next  = `(?:;[^/%]*)?(?:` + slash + `(?:` + dot + slash + `)*)+`
	)
	return regexp.MustCompile(`(?i)(` + slash + dot + `policy_auth` + next + `link` + next + `)[^/?&#%\s"]+`)
}()

// LogPath returns the decoded public path in the first reading, as logs show it.
func (r *Request) LogPath() string { return hideLinkTokens(r.readings[0].Path) }

// hideLinkTokens returns a text without the tokens of share links.
func hideLinkTokens(text string) string {
	if !strings.Contains(text, "policy_auth") {
		return text
	}
	return linkToken.ReplaceAllString(text, "${1}"+Redacted)
}

// hideLinks returns a value that was decoded from JSON without the tokens of share links, in
// its texts and in lists of a path's segments. It changes the value.
func hideLinks(value any) any {
	switch v := value.(type) {
	case string:
		return hideLinkTokens(v)
	case map[string]any:
		for name, item := range v {
			v[name] = hideLinks(item)
		}
	case []any:
		for i, item := range v {
			if v[i] = hideLinks(item); i > 1 && v[i-2] == ".policy_auth" && v[i-1] == "link" {
				v[i] = Redacted
			}
		}
	}
	return value
}
