package request

import (
	"net/http"
	"net/url"
	"strings"
)

// destination is the target of a WebDAV request (RFC 4918, section 10.3) in its
// Destination header.
type destination struct {
	path    string // escaped, "" without a destination
	host    string // as splitHost returns it, "" for the request's own
	invalid bool   // it is not a single URL or path
}

// maxDestination limits a Destination, in bytes, because it is combined with prefixes of
// the path. Servers accept no longer paths.
const maxDestination = 8 << 10

// parseDestination returns a request's destination, whatever its method: the upstream may
// take another method from a header or from the query.
func parseDestination(r *http.Request) destination {
	lines := r.Header["Destination"]
	if len(lines) == 0 {
		return destination{}
	}
	u, err := url.Parse(lines[0])
	if len(lines) > 1 || len(lines[0]) > maxDestination || err != nil || u.Opaque != "" || strings.Contains(lines[0], "#") || u.User != nil || u.Scheme == "" && u.Host != "" { // //a/b is a host, or a path
		return destination{invalid: true}
	}
	host, _, ok := splitHost(u.Host)
	path := u.EscapedPath()
	if path == "" && host != "" {
		path = "/"
	}
	return destination{path: path, host: host, invalid: !ok || !strings.HasPrefix(path, "/")}
}

// ForeignDestination reports whether the destination is on another host than the request.
func (r *Request) ForeignDestination() bool {
	if r.destination.host == "" {
		return false
	}
	own, _ := r.hostPort()
	return r.destination.host != own
}

// HasNoHost reports whether the request names no host, as HTTP/1.0 allows.
func (r *Request) HasNoHost() bool { return r.http.Host == "" || r.http.Host[0] == ':' }

// DestinationHost returns the host of the destination, which is the request's own if
// the destination names none, and "" without one.
func (r *Request) DestinationHost() string {
	if r.destination.path == "" || r.destination.host != "" {
		return r.destination.host
	}
	own, _ := r.hostPort()
	return own
}
