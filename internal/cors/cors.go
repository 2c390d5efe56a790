// Package cors answers preflights and sets the headers that let scripts of other origins
// read a response (Fetch, section 3.3). It adapts github.com/jub0bs/cors to a server in
// which other handlers change headers in place, and in which preflights and responses are
// separate steps.
//
// CORS is not access control (R-CORS-21): a request from an origin that is not allowed is
// judged like any other; scripts just cannot read its response.
package cors

import (
	"net/http"
	"strings"

	"github.com/jub0bs/cors"
)

// CORS is the cross-origin policy of one site. It is safe for concurrent use.
type CORS struct {
	upstream    bool
	credentials bool
	library     http.Handler
	plain       *recorder // the answer to a request without Origin
}

// New returns the policy for a configuration, or all that is wrong with it.
func New(config Config) (*CORS, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	if config.Upstream {
		return &CORS{upstream: true}, nil
	}
	middleware, err := cors.NewMiddleware(config.library())
	if err != nil {
		return nil, explain(err)
	}
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	c := &CORS{credentials: config.Credentials, library: middleware.Wrap(nothing)}
	c.plain = run(c.library, &http.Request{Method: http.MethodGet})
	return c, nil
}

// Result is the outcome of Handle.
type Result int

const (
	// Ordinary is a request that is not a preflight; its response headers are prepared.
	Ordinary Result = iota
	// Answered is a preflight that was answered.
	Answered
	// Pass is a preflight for the next handler to answer.
	Pass
)

// IsPreflight reports whether a request is a preflight: OPTIONS with Origin and
// Access-Control-Request-Method (Fetch, section 3.3.2). Anything less is an
// ordinary request.
func IsPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && len(r.Header["Origin"]) > 0 && len(r.Header["Access-Control-Request-Method"]) > 0
}

// Handle answers a preflight with 204 or 403, or prepares the headers of the response. It
// is called once for each request. It removes Access-Control-* headers that other handlers
// set before: browsers reject a response that has one of them twice. A rejected preflight
// has the request ID of its line in the log.
func (c *CORS) Handle(w http.ResponseWriter, r *http.Request, id func() string) Result {
	preflight := IsPreflight(r)
	switch {
	case c.upstream && preflight:
		return Pass
	case c.upstream:
		return Ordinary
	}
	result := c.judge(r)
	removeOwned(w.Header())
	copyTo(w.Header(), result.header)
	status := result.status
	if result != c.plain {
		result.free()
	}
	if !preflight {
		return Ordinary
	}
	if status >= http.StatusBadRequest {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Request-Id", id())
	}
	w.WriteHeader(status)
	return Answered
}

// judge returns what is to be sent in answer to a request.
func (c *CORS) judge(r *http.Request) *recorder {
	origins := r.Header["Origin"]
	switch {
	case len(origins) == 0 && r.Method != http.MethodOptions:
		return c.plain
	case len(origins) > 1, len(origins) == 1 && origins[0] == "null":
		// The library reads the first Origin alone, and lets null read what
		// every origin may; no browser's page is to be trusted with either.
		return refusal(r)
	}
	return run(c.library, r)
}

// varyOptions is what the answer to OPTIONS depends on.
const varyOptions = "Access-Control-Request-Headers, Access-Control-Request-Method, Origin"

// refusal is the answer to an origin that is refused unread.
func refusal(r *http.Request) *recorder {
	vary := "Origin"
	if r.Method == http.MethodOptions {
		vary = varyOptions
	}
	return &recorder{header: http.Header{"Vary": {vary}}, status: http.StatusForbidden}
}

// Allowed reports whether scripts of an origin may send credentials that browsers attach.
func (c *CORS) Allowed(origin string) bool {
	if c.upstream || !c.credentials {
		return false
	}
	result := run(c.library, &http.Request{Method: http.MethodGet, Header: http.Header{"Origin": {origin}}})
	defer result.free()
	allowed := result.header["Access-Control-Allow-Origin"]
	return len(allowed) == 1 && allowed[0] == origin
}

// Names reports whether an origin is allowed, with or without credentials. It is false if
// the upstream answers preflights and therefore decides.
func (c *CORS) Names(origin string) bool {
	if c.upstream || origin == "null" {
		return c.upstream
	}
	result := run(c.library, &http.Request{Method: http.MethodGet, Header: http.Header{"Origin": {origin}}})
	defer result.free()
	allowed := result.header["Access-Control-Allow-Origin"]
	return len(allowed) == 1 && (allowed[0] == origin || allowed[0] == "*")
}

// isOwned reports whether only this package sets a response header.
func isOwned(name string) bool { return strings.HasPrefix(name, "Access-Control-") }

// removeOwned removes these headers if another handler set them.
func removeOwned(h http.Header) {
	for name := range h {
		if isOwned(name) {
			delete(h, name)
		}
	}
}
