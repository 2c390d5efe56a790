package authn

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/session"
)

// Source is where a request can hold a credential. Two methods that name the
// same place read the same credential. Places are comparable.
type Source struct {
	scheme string // lower-case scheme of Authorization, or ""
	header string // canonical name of a header of its own, or ""
	cookie string // name of a cookie, or ""
	domain string // whose hosts share the cookie, or ""
	plain  bool   // the cookie counts over plain HTTP alone
	query  string // name of a parameter of the query, or ""
}

// FromScheme is the place of credentials in Authorization with the given scheme,
// such as Bearer; schemes are compared without regard to case (RFC 9110,
// section 11.1).
func FromScheme(scheme string) Source { return Source{scheme: strings.ToLower(scheme)} }

// FromHeader is the place of a credential that is a header's whole value.
func FromHeader(name string) Source { return Source{header: http.CanonicalHeaderKey(name)} }

// FromCookie is the place of a credential that is a cookie's value. It is
// ambient: browsers send it whether its user means to or not, so that a bad one
// makes the caller anonymous instead of refusing the request.
func FromCookie(name string) Source { return Source{cookie: name} }

// FromSession is the places of a session's id: a cookie with a prefix, which
// browsers let no other host set, and, where a site is visited over plain HTTP, one
// without.
func FromSession(cookie session.Cookie) []Source {
	return []Source{{cookie: cookie.Name, domain: cookie.Domain}, {cookie: cookie.PlainName(), domain: cookie.Domain, plain: true}}
}

// FromQuery is the place of a credential that is a parameter of the query (RFC
// 6750, section 2.3), in GET and HEAD alone.
func FromQuery(name string) Source { return Source{query: name} }

// Header returns the header that holds the credential, in canonical form; ""
// for a place in the query and for the zero Source, which is nowhere.
func (p Source) Header() string {
	switch {
	case p.scheme != "":
		return "Authorization"
	case p.cookie != "":
		return "Cookie"
	}
	return p.header
}

// Cookie returns the name of the cookie that holds the credential, or "".
func (p Source) Cookie() string { return p.cookie }

// Query returns the name of the query parameter that holds the credential, or "".
func (p Source) Query() string { return p.query }

// Clear takes a dead cookie away, with the attributes that it was set with.
func (p Source) Clear(w http.ResponseWriter, https bool) {
	http.SetCookie(w, &http.Cookie{Name: p.cookie, Path: "/", Domain: p.domain, MaxAge: -1, Secure: https, HttpOnly: true}) //nolint:gosec // over plain HTTP a browser ignores a Secure cookie
}

// isHTTPS reports whether the client sees the site over TLS.
func isHTTPS(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return request.SchemeOf(r, trusted) == "https"
}

// browserAttached reports whether browsers send a credential in this place
// unasked, once they have it (RFC 7617, section 2.2).
func (p Source) browserAttached() bool { return p.scheme == "basic" || p.cookie != "" }

// each visits the credentials that a request has in this place.
func (p Source) each(r *http.Request, visit func(value string)) {
	if p.scheme == "" {
		for _, value := range p.values(r) {
			visit(value)
		}
		return
	}
	for _, line := range r.Header["Authorization"] {
		if value, ok := cutScheme(line, p.scheme); ok {
			visit(value)
		}
	}
}

// values returns the credentials that a request has in this place, which is not
// in Authorization.
func (p Source) values(r *http.Request) []string {
	switch {
	case p.cookie != "":
		if p.plain && isHTTPS(r) {
			return nil // another host of the same domain may have set it
		}
		return session.Values(r, p.cookie)
	case p.query != "" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		return parameters(r.URL.RawQuery, p.query)
	}
	return r.Header[p.header]
}

// parameters returns the values of a parameter in a raw query.
func parameters(raw, name string) []string {
	var found []string
	for pair := range strings.SplitSeq(raw, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(key); err == nil && decoded == name {
			if text, err := url.QueryUnescape(value); err == nil {
				value = text
			}
			found = append(found, value)
		}
	}
	return found
}
