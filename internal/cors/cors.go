// Package cors answers preflights and sets the headers by which browsers let
// scripts of other origins read an answer (Fetch, section 3.3). It is an
// adapter of github.com/jub0bs/cors for a server in which others edit headers
// in place, and in which preflights and answers are separate steps.
package cors

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jub0bs/cors"
)

// Config says whose scripts may call. The zero value of each field but Origins
// has a sound meaning.
type Config struct {
	// Origins that may: https://app.example.com, https://*.example.com,
	// http://localhost:*, or * without Credentials. Required unless Upstream.
	Origins []string
	// Methods that may be used. Nil: GET HEAD POST PUT PATCH DELETE.
	Methods []string
	// Headers that requests may have. Nil: authorization and content-type.
	Headers []string
	// Expose are response headers that scripts may read beside the default ones.
	Expose []string
	// Credentials allows cookies, Basic and client certificates.
	Credentials bool
	// MaxAge is how long browsers may remember a preflight. 0: one hour; at most
	// 24 hours.
	MaxAge time.Duration
	// Upstream leaves preflights to the next handler. All else must be zero.
	Upstream bool
	// CredentialHeaders hold the site's credentials and are always allowed:
	// Fetch's wildcard does not cover them.
	CredentialHeaders []string
}

var (
	defaultMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
	defaultHeaders = []string{"authorization", "content-type"}
	// defaultExpose lets scripts see why they were refused (R-CORS-10).
	defaultExpose = []string{"WWW-Authenticate", "Retry-After", "X-Request-Id"}
)

const (
	defaultMaxAge = time.Hour
	// maxMaxAge is the highest value that any browser heeds.
	maxMaxAge = 24 * time.Hour
)

// CORS is the cross-origin policy of one site. It is safe for concurrent use.
type CORS struct {
	upstream    bool
	credentials bool
	library     http.Handler
}

// New returns the policy for a configuration, or all that is wrong with it.
func New(config Config) (*CORS, error) {
	if config.Upstream {
		return &CORS{upstream: true}, nil
	}
	if err := config.check(); err != nil {
		return nil, err
	}
	middleware, err := cors.NewMiddleware(config.library())
	if err != nil {
		return nil, explain(err)
	}
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	return &CORS{credentials: config.Credentials, library: middleware.Wrap(nothing)}, nil
}

// check refuses what the library lets pass or what it would explain less well.
func (c Config) check() error {
	if len(c.Origins) == 0 {
		return errors.New("origins: name at least one, such as https://app.example.com")
	}
	if slices.Contains(c.Origins, "null") {
		return errors.New("origins: null is what sandboxed and local pages of anybody have and cannot be allowed")
	}
	if c.Credentials {
		for name, list := range map[string][]string{"origins": c.Origins, "methods": c.Methods, "headers": c.Headers, "expose": c.Expose} {
			if slices.Contains(list, "*") {
				return fmt.Errorf("%s: * does not go with credentials; name each one", name)
			}
		}
	}
	if c.MaxAge < 0 || c.MaxAge > maxMaxAge {
		return fmt.Errorf("max_age: %s is out of range; at most %s", c.MaxAge, maxMaxAge)
	}
	return nil
}

// library returns the library's configuration.
func (c Config) library() cors.Config {
	or := func(list, fallback []string) []string {
		if list == nil {
			return fallback
		}
		return list
	}
	maxAge := c.MaxAge
	if maxAge == 0 {
		maxAge = defaultMaxAge
	}
	return cors.Config{
		Origins:         c.Origins,
		Credentialed:    c.Credentials,
		Methods:         or(c.Methods, defaultMethods),
		RequestHeaders:  slices.Concat(or(c.Headers, defaultHeaders), c.CredentialHeaders),
		ResponseHeaders: c.exposed(),
		MaxAgeInSeconds: int(maxAge.Seconds()),
	}
}

// exposed returns the response headers that scripts may read; a wildcard stands
// alone.
func (c Config) exposed() []string {
	if slices.Contains(c.Expose, "*") {
		return c.Expose
	}
	return slices.Concat(defaultExpose, c.Expose)
}

// explain puts the library's errors into one line.
func explain(err error) error {
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "cors: ")
	}
	return errors.New(strings.Join(lines, "; "))
}

// Result says what became of a request.
type Result int

const (
	// Ordinary is a request like any other; its answer's headers are prepared.
	Ordinary Result = iota
	// Answered is a preflight that has its answer.
	Answered
	// Pass is a preflight that the next handler answers.
	Pass
)

// IsPreflight reports whether a request is a preflight: OPTIONS with Origin and
// Access-Control-Request-Method (Fetch, section 3.3.2). Anything less is an
// ordinary request.
func IsPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && len(r.Header["Origin"]) > 0 && len(r.Header["Access-Control-Request-Method"]) > 0
}

// Handle answers a preflight, with 204 or 403, or prepares the headers of
// whatever answer comes. It is called once for each request.
func (c *CORS) Handle(w http.ResponseWriter, r *http.Request) Result {
	preflight := IsPreflight(r)
	switch {
	case c.upstream && preflight:
		return Pass
	case c.upstream:
		return Ordinary
	case preflight:
		c.answer(w, r)
		return Answered
	}
	run(c.library, single(r)).copyTo(w.Header())
	return Ordinary
}

// answer writes the answer to a preflight. One with two Origin lines is refused
// unread: the library would look at the first alone.
func (c *CORS) answer(w http.ResponseWriter, r *http.Request) {
	result := run(c.library, single(r))
	if len(r.Header["Origin"]) != 1 {
		result.status = http.StatusForbidden
		result.header = http.Header{"Vary": {"Access-Control-Request-Headers, Access-Control-Request-Method, Origin"}}
	}
	result.copyTo(w.Header())
	if result.status >= 300 {
		for name := range w.Header() {
			if strings.HasPrefix(name, "Access-Control-") {
				w.Header().Del(name)
			}
		}
	}
	w.WriteHeader(result.status)
}

// Allowed reports whether scripts of an origin may use credentials that
// browsers attach.
func (c *CORS) Allowed(origin string) bool {
	if c.upstream || !c.credentials {
		return false
	}
	result := run(c.library, &http.Request{Method: http.MethodGet, Header: http.Header{"Origin": {origin}}})
	allowed := result.header["Access-Control-Allow-Origin"]
	return len(allowed) == 1 && allowed[0] == origin
}

// single returns the request, without Origin if it has several lines of it.
func single(r *http.Request) *http.Request {
	if len(r.Header["Origin"]) < 2 {
		return r
	}
	clone := *r
	clone.Header = r.Header.Clone()
	clone.Header.Del("Origin")
	return &clone
}

// recorder takes what the library writes, so that none of its own slices, which
// it shares between requests, gets into a real response.
type recorder struct {
	header http.Header
	status int
}

func run(h http.Handler, r *http.Request) *recorder {
	rec := &recorder{header: make(http.Header, 4), status: http.StatusNoContent}
	h.ServeHTTP(rec, r)
	return rec
}

// Header implements http.ResponseWriter.
func (rec *recorder) Header() http.Header { return rec.header }

// Write implements http.ResponseWriter; nothing of a body is kept.
func (rec *recorder) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader implements http.ResponseWriter.
func (rec *recorder) WriteHeader(status int) { rec.status = status }

// copyTo copies the headers: Vary is added to, the others are replaced.
func (rec *recorder) copyTo(h http.Header) {
	for name, lines := range rec.header {
		if name == "Vary" {
			h[name] = append(slices.Clone(h[name]), lines...)
			continue
		}
		h[name] = slices.Clone(lines)
	}
}
