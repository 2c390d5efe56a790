// Package request is an HTTP request as policies see it: one public path in
// every way it can be read, headers without credentials, and an address that
// nobody can forge. It knows net/http but not Caddy.
package request

import (
	"net/http"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
)

// Facts is what the web server knows of a request beyond net/http.
type Facts struct {
	// ID returns the request's id; it is called only when somebody asks for it.
	ID func() string
	// Time is when the request came.
	Time time.Time
	// Original is the request before any rewrite; nil means that nothing rewrote it.
	Original *http.Request
	// ClientIP and PeerIP are textual addresses without ports.
	ClientIP, PeerIP string
	// TrustedProxy says that the peer's forwarding headers may be believed.
	TrustedProxy bool
}

// Request is one request, ready to be judged.
type Request struct {
	http  *http.Request
	facts Facts
}

// Reading is one way to read a path.
type Reading struct {
	// Path is the decoded public path in this reading.
	Path string
	// Segments is Path, split at slashes before decoding; a trailing slash adds none.
	Segments []string
	// Destination is the decoded path that a WebDAV MOVE or COPY points to, or "".
	Destination string
}

// Readings returns each distinct way in which the path can be read, at least
// one. A policy must allow all of them.
func (r *Request) Readings() []Reading { return nil }

// Document returns what policies read for one reading of the path.
func (r *Request) Document(reading Reading, id *identity.Identity, failure identity.Reason, config map[string]any) Document {
	return Document{}
}
