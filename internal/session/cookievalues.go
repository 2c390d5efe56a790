package session

import (
	"net/http"
	"net/textproto"
	"strings"
)

// maxCookies is how many cookies net/http reads of a request; of more it reads none.
const maxCookies = 3000

// CookieValues returns the values of the cookies of a name in a request, the same as
// [http.Request.CookiesNamed], which takes memory for every other cookie as well.
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

// unquote takes the quotes off a cookie's value.
func unquote(value string) string {
	if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
		return value[1 : len(value)-1]
	}
	return value
}

// isInvalidValueChar reports whether a character cannot be in a cookie's value.
func isInvalidValueChar(c rune) bool { return c < ' ' || c >= 0x7f || c == '"' || c == '\\' }
