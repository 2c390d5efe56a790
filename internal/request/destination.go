package request

import (
	"net/http"
	"net/url"
	"strings"
)

// badDestination stands for a Destination that cannot be judged. It is no
// path, since those begin with a slash.
const badDestination = "bad"

// destination returns the escaped path that a WebDAV MOVE or COPY points to
// (RFC 4918, section 10.3), "" for other requests, or badDestination. Methods
// are compared without regard to case: the server behind may do so.
func destination(r *http.Request) string {
	if !strings.EqualFold(r.Method, "MOVE") && !strings.EqualFold(r.Method, "COPY") {
		return ""
	}
	lines := r.Header["Destination"]
	if len(lines) == 0 {
		return ""
	}
	u, err := url.Parse(lines[0])
	if len(lines) > 1 || err != nil || u.Opaque != "" || u.Fragment != "" || u.Scheme == "" && u.Host != "" { // //a/b is a host, or a path
		return badDestination
	}
	path := u.EscapedPath()
	if path == "" && u.Host != "" {
		path = "/"
	}
	if !strings.HasPrefix(path, "/") {
		return badDestination
	}
	return path
}
