package cors

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jub0bs/cors"
	"github.com/jub0bs/cors/cfgerrors"
)

// Config is the CORS policy of a site. Every field but Origins has a usable zero value.
type Config struct {
	// Origins are allowed origins: https://app.example.com, https://*.example.com,
	// http://localhost:*, or * without Credentials. Required unless Upstream.
	Origins []string
	// Methods are the allowed methods. GET, HEAD and POST are always allowed (Fetch, section
	// 2.2.1). Nil: GET HEAD POST PUT PATCH DELETE.
	Methods []string
	// Headers are the allowed request headers. Nil: authorization and content-type.
	Headers []string
	// Expose are response headers that scripts may read, in addition to the default ones.
	Expose []string
	// Credentials allows cookies, Basic and client certificates.
	Credentials bool
	// MaxAge is how long browsers may cache a preflight: at most 24 hours. 0
	// means one hour, less than 0 not at all.
	MaxAge time.Duration
	// Upstream leaves preflights to the next handler. All else but
	// CredentialHeaders must be zero.
	Upstream bool
	// CredentialHeaders hold the site's credentials and are always allowed:
	// Fetch's wildcard does not cover Authorization. Cookie is passed over, since
	// only browsers themselves set it.
	CredentialHeaders []string
}

var (
	defaultMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
	defaultHeaders = []string{"authorization", "content-type"}
	// defaultExpose lets scripts read why a request was denied (R-CORS-10).
	defaultExpose = []string{"WWW-Authenticate", "DPoP-Nonce", "Retry-After", "X-Request-Id"}
)

const (
	defaultMaxAge = time.Hour
	// maxMaxAge is the highest value that any browser uses.
	maxMaxAge = 24 * time.Hour
)

// check rejects settings that the library accepts, or whose error it explains less well.
func (c Config) check() error {
	if c.Upstream {
		return c.checkUpstream()
	}
	lists := []struct {
		name   string
		values []string
	}{{"origins", c.Origins}, {"methods", c.Methods}, {"headers", c.Headers}, {"expose", c.Expose}}
	if len(c.Origins) == 0 {
		return errors.New("origins: name at least one, such as https://app.example.com")
	}
	for _, list := range lists {
		switch {
		case list.values != nil && len(list.values) == 0:
			return fmt.Errorf("%s: the list is empty; leave it out for the default", list.name)
		case c.Credentials && slices.Contains(list.values, "*"):
			return fmt.Errorf("%s: * does not go with credentials; name each one", list.name)
		}
	}
	for _, method := range c.Methods {
		if upper := strings.ToUpper(method); upper != method {
			return fmt.Errorf("methods: %q is not %s: methods are case-sensitive", method, upper)
		}
	}
	if c.MaxAge > maxMaxAge {
		return fmt.Errorf("max_age: %s is out of range; at most %s", c.MaxAge, maxMaxAge)
	}
	return nil
}

// checkUpstream rejects settings that would have no effect.
func (c Config) checkUpstream() error {
	if len(c.Origins)+len(c.Methods)+len(c.Headers)+len(c.Expose) > 0 || c.Credentials || c.MaxAge != 0 {
		return errors.New("upstream: the upstream answers preflights, so that nothing else can be set here")
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
	return cors.Config{
		Origins:         c.Origins,
		Credentialed:    c.Credentials,
		Methods:         or(c.Methods, defaultMethods),
		RequestHeaders:  slices.Concat(or(c.Headers, defaultHeaders), c.credentialHeaders()),
		ResponseHeaders: c.exposed(),
		MaxAgeInSeconds: c.seconds(),
	}
}

func (c Config) credentialHeaders() []string {
	return slices.DeleteFunc(slices.Clone(c.CredentialHeaders), func(name string) bool {
		return http.CanonicalHeaderKey(name) == "Cookie"
	})
}

// exposed returns the response headers that scripts may read; a wildcard stands
// alone.
func (c Config) exposed() []string {
	if slices.Contains(c.Expose, "*") {
		return c.Expose
	}
	return slices.Concat(defaultExpose, c.Expose)
}

// seconds returns MaxAge as the library has it: whole seconds, -1 for a
// preflight that is not to be remembered.
func (c Config) seconds() int {
	switch {
	case c.MaxAge < 0:
		return -1
	case c.MaxAge == 0:
		return int(defaultMaxAge / time.Second)
	}
	return int((c.MaxAge + time.Second - 1) / time.Second)
}

// explain puts the library's errors into one line that names each bad word and
// what would do instead.
func explain(err error) error {
	var lines []string
	for err := range cfgerrors.All(err) {
		lines = append(lines, explainOne(err))
	}
	return errors.New(strings.Join(lines, "; "))
}

func explainOne(err error) string {
	var (
		pattern *cfgerrors.UnacceptableOriginPatternError
		clash   *cfgerrors.IncompatibleOriginPatternError
		method  *cfgerrors.UnacceptableMethodError
		header  *cfgerrors.UnacceptableHeaderNameError
	)
	switch {
	case errors.As(err, &pattern):
		return explainOrigin(pattern.Value)
	case errors.As(err, &clash) && clash.Reason == "psl":
		return fmt.Sprintf("origins: %q would allow every site under that public suffix; name each origin", clash.Value)
	case errors.As(err, &clash):
		return fmt.Sprintf("origins: %q does not go with credentials, since others on the network can write its scripts; use https (http is for localhost alone)", clash.Value)
	case errors.As(err, &method) && method.Reason == "forbidden":
		return fmt.Sprintf("methods: %q is closed to scripts by every browser, as are CONNECT, TRACE and TRACK", method.Value)
	case errors.As(err, &method):
		return fmt.Sprintf("methods: %q is not a method; want words such as GET, PUT or PURGE", method.Value)
	case errors.As(err, &header):
		return explainHeader(header)
	}
	return strings.TrimPrefix(err.Error(), "cors: ")
}

func explainOrigin(value string) string {
	if value == "null" {
		return "origins: null is the origin of sandboxed and local pages of any author and cannot be allowed"
	}
	return fmt.Sprintf("origins: %q is not an origin: want scheme, host and port (no path, no trailing slash, no default port), "+
		"such as https://app.example.com, https://*.example.com or http://localhost:*", value)
}

func explainHeader(err *cfgerrors.UnacceptableHeaderNameError) string {
	field, closed := "headers", "is set by browsers themselves, never by scripts"
	if err.Type == "response" {
		field, closed = "expose", "is shown to scripts by no browser"
	}
	switch err.Reason {
	case "forbidden":
		return fmt.Sprintf("%s: %q %s", field, err.Value, closed)
	case "prohibited":
		return fmt.Sprintf("%s: %q has no place in a %s", field, err.Value, err.Type)
	}
	return fmt.Sprintf("%s: %q is not a header's name; want one such as X-Request-Id", field, err.Value)
}
