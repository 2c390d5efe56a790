package authenticator

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Source is where a request holds a credential: in Authorization by its scheme, in
// a header of its own, in a cookie or in the query. Exactly one of Scheme, Header,
// Cookie and Query is set; make one with FromScheme, FromHeader, FromCookie or
// FromQuery. Two methods with equal sources read the same credential, and are asked
// in the order in which they are configured.
type Source struct {
	// Scheme is an authentication scheme of Authorization, in lower case.
	Scheme string
	// Header is the canonical name of a header whose whole value is the credential.
	Header string
	// Cookie is the name of a cookie.
	Cookie string
	// CookieDomain is the Domain attribute that the cookie is set with, or "". It is
	// needed to delete a cookie that is no longer valid.
	CookieDomain string
	// PlainHTTPOnly ignores the cookie in requests over HTTPS, where a cookie without
	// the prefix __Host- or __Secure- may come from another host of the same domain.
	PlainHTTPOnly bool
	// Query is the name of a query parameter, read in GET and HEAD requests only.
	Query string
}

// FromScheme returns the source of credentials in Authorization with a scheme such
// as Bearer; schemes are compared without regard to case (RFC 9110, section 11.1).
// The credential is what follows the scheme.
func FromScheme(scheme string) Source { return Source{Scheme: strings.ToLower(scheme)} }

// FromHeader returns the source of a credential that is the whole value of a header.
func FromHeader(name string) Source { return Source{Header: http.CanonicalHeaderKey(name)} }

// FromCookie returns the source of a credential that is a cookie's value. A browser
// sends cookies on its own, so an invalid one does not deny the request: the caller
// is anonymous.
func FromCookie(name string) Source { return Source{Cookie: name} }

// FromQuery returns the source of a credential that is a query parameter (RFC 6750,
// section 2.3). URLs end up in logs and browser histories: prefer another source.
func FromQuery(name string) Source { return Source{Query: name} }

// CarriedIn returns the canonical name of the header that carries the credential:
// Authorization, Cookie or Header. It is "" for the query and for the zero Source.
func (s Source) CarriedIn() string {
	switch {
	case s.Scheme != "":
		return "Authorization"
	case s.Cookie != "":
		return "Cookie"
	}
	return s.Header
}

// Check returns an error unless a request can hold a credential in s.
func (s Source) Check() error {
	name, count := "", 0
	for _, text := range []string{s.Scheme, s.Header, s.Cookie, s.Query} {
		if text != "" {
			name, count = text, count+1
		}
	}
	switch {
	case count != 1:
		return errors.New("a source names exactly one of a scheme, a header, a cookie and a query parameter")
	case !httpguts.ValidHeaderFieldName(name):
		return fmt.Errorf("%q is not a valid name of a scheme, header, cookie or query parameter", name)
	case s.Scheme != strings.ToLower(s.Scheme) || s.Header != http.CanonicalHeaderKey(s.Header):
		return fmt.Errorf("%q is not in canonical form: use FromScheme or FromHeader", name)
	case s.Cookie == "" && (s.CookieDomain != "" || s.PlainHTTPOnly):
		return fmt.Errorf("%s is not a cookie, which alone has a domain", name)
	case reserved[s.Header]:
		return fmt.Errorf("a credential cannot be the whole value of %s", s.Header)
	}
	return nil
}

// reserved are headers whose value has a form of its own, so that it cannot be a
// credential as a whole.
var reserved = map[string]bool{"Authorization": true, "Proxy-Authorization": true, "Cookie": true, "Host": true, "Connection": true}
