package session

import (
	"net/http"
	"net/textproto"
	"strings"
)

// maxCookies is the number of cookies beyond which net/http parses none.
const maxCookies = 3000

// CookieValues returns the values of the cookies with a name in a request. It
// returns the same as [http.Request.CookiesNamed], which allocates memory for every
// other cookie too.
func CookieValues(r *http.Request, name string) []string {
	lines, cookies := r.Header["Cookie"], 0
	for _, line := range lines {
		cookies += strings.Count(line, ";") + 1
	}
	if cookies > maxCookies {
		return nil
	}
	var found []string
	for _, line := range lines {
		if !strings.Contains(line, name) {
			continue
		}
		for part := range strings.SplitSeq(line, ";") {
			cookie, value, _ := strings.Cut(textproto.TrimString(part), "=")
			if textproto.TrimString(cookie) != name {
				continue
			}
			if value = unquote(value); strings.IndexFunc(value, isInvalidValueChar) < 0 {
				found = append(found, value)
			}
		}
	}
	return found
}

// unquote removes the quotes around a cookie's value.
func unquote(value string) string {
	if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
		return value[1 : len(value)-1]
	}
	return value
}

// isInvalidValueChar reports whether a character is not allowed in a cookie's
// value.
func isInvalidValueChar(c rune) bool { return c < ' ' || c >= 0x7f || c == '"' || c == '\\' }
