package authenticator

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Source is where a credential is: in Authorization by its scheme, in a header of its
// own, in the query, in a cookie, in the client's certificate, or where the method
// alone knows. Exactly one of Scheme, Header, Query, Cookie, Certificate and Request is
// set; make one with a function such as FromScheme. Two methods with equal sources,
// other than Request, read the same credential, and are asked in the order in which
// they are configured.
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
	// Certificate is the client's certificate: that of the connection, or one that a
	// trusted proxy forwards.
	Certificate bool
	// Request is the request as a whole.
	Request bool
	// NotBrowserAttached says that browsers never send the credentials of Request on
	// their own. If it is false, unsafe requests from other sites that have them are
	// denied, since the caller may not have intended them.
	NotBrowserAttached bool
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

// FromCertificate returns the source of client certificates. The method is asked for
// each request without a credential in a header or the query, with an empty Value, and
// reads the certificate itself: it returns Absent without a Reason if there is none. A
// browser sends certificates on its own, so one that is rejected does not deny the
// request: the caller is anonymous, and policies see the Reason.
func FromCertificate() Source { return Source{Certificate: true} }

// FromRequest returns the source of a method that looks for its credentials itself. It
// is asked for each request without a credential that another method reads in a
// header or the query, with an empty Value, but not over plain HTTP from another
// machine. It returns Absent without a Reason if it finds no credential, Absent with one
// if the caller is anonymous in spite of it, and Rejected or Malformed to deny the
// request.
func FromRequest() Source { return Source{Request: true} }

// Ambient reports whether a credential of the source counts only if the request has no
// credential in a header or the query.
func (s Source) Ambient() bool { return s.Cookie != "" || s.Certificate || s.Request }

// CarriedIn returns the canonical name of the header that carries the credential:
// Authorization, Cookie or Header. It is "" for every other source.
func (s Source) CarriedIn() string {
	switch {
	case s.Scheme != "":
		return "Authorization"
	case s.Cookie != "":
		return "Cookie"
	}
	return s.Header
}

// ProofHeader returns the canonical name of the header with the proof that belongs to the
// credential: DPoP for the scheme DPoP (RFC 9449, section 7.1), else "". Like the
// credential it is hidden from policies, allowed in CORS preflights, and removed from the
// request before the next handler gets it. The method reads and verifies it.
func (s Source) ProofHeader() string {
	if s.Scheme == "dpop" {
		return "Dpop"
	}
	return ""
}

// Check returns an error unless a request can hold a credential in s.
func (s Source) Check() error {
	if s.Certificate || s.Request {
		return s.checkWhole()
	}
	name, count := "", 0
	for _, text := range []string{s.Scheme, s.Header, s.Cookie, s.Query} {
		if text != "" {
			name, count = text, count+1
		}
	}
	switch {
	case count != 1:
		return errors.New("a source is exactly one of a scheme, a header, a cookie, a query parameter, the certificate and the whole request")
	case !httpguts.ValidHeaderFieldName(name):
		return fmt.Errorf("%q is not a valid name of a scheme, header, cookie or query parameter", name)
	case s.Scheme != strings.ToLower(s.Scheme) || s.Header != http.CanonicalHeaderKey(s.Header):
		return fmt.Errorf("%q is not in canonical form: use FromScheme or FromHeader", name)
	case s.Cookie == "" && (s.CookieDomain != "" || s.PlainHTTPOnly):
		return fmt.Errorf("%s is not a cookie: set CookieDomain and PlainHTTPOnly only with Cookie", name)
	case s.NotBrowserAttached:
		return fmt.Errorf("%s is not the whole request: set NotBrowserAttached only with Request", name)
	case reserved[s.Header]:
		return fmt.Errorf("a credential cannot be the whole value of %s", s.Header)
	}
	return nil
}

// checkWhole checks a source without a name.
func (s Source) checkWhole() error {
	switch s {
	case Source{Certificate: true}, Source{Request: true}, Source{Request: true, NotBrowserAttached: true}:
		return nil
	}
	return errors.New("a source that is the certificate or the whole request is nothing else: use FromCertificate or FromRequest")
}

// reserved are headers whose value has a form of its own, so that it cannot be a
// credential as a whole.
var reserved = map[string]bool{"Authorization": true, "Proxy-Authorization": true, "Cookie": true, "Host": true, "Connection": true}
