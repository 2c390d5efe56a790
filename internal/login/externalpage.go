// Package login is where people sign in and out: a site's own pages below
// /.policy_auth/, or an external one, and the way back to where they were,
// never to another site.
package login

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// placeholder stands in a template for where to come back to.
const placeholder = "{return_to}"

// ExternalPage is an external sign-in page.
type ExternalPage struct {
	parts []string // around each placeholder
	host  string   // lower-case, with a port if there is one; "" for this site
	path  string
}

// ParseExternalPage returns the page that a template names: an https or http URL, or a
// path on this site, in which {return_to} stands for the URL to come back to,
// in a value of the query or in the fragment.
func ParseExternalPage(template string) (*ExternalPage, error) {
	sample := strings.ReplaceAll(template, placeholder, "x")
	u, err := url.Parse(sample)
	switch {
	case strings.Contains(sample, "{"):
		_, rest, _ := strings.Cut(sample, "{")
		name, _, _ := strings.Cut(rest, "}")
		return nil, fmt.Errorf("{%s} is not replaced in %q: the one placeholder here is {return_to}, such as https://login.example.com/?rd={return_to}", name, template)
	case err != nil, strings.ContainsAny(sample, " <>\"`\\^{|}"), u.User != nil:
		return nil, fmt.Errorf("%q is not a URL such as https://login.example.com/?rd={return_to}", template)
	case u.Scheme == "" && (u.Host != "" || !strings.HasPrefix(sample, "/")):
		return nil, fmt.Errorf("%q is neither an https URL nor a path on this site, such as /login?rd={return_to}", template)
	case u.Scheme != "" && (u.Scheme != "https" && u.Scheme != "http" || u.Host == ""):
		return nil, fmt.Errorf("%q has the scheme %s; want https, or http", template, u.Scheme)
	}
	front, _, _ := strings.Cut(template, placeholder)
	if front != template && !strings.ContainsAny(front, "?#") {
		return nil, errors.New(placeholder + " stands in a value of the query or in the fragment, such as https://login.example.com/?rd={return_to}")
	}
	return &ExternalPage{parts: strings.Split(template, placeholder), host: strings.ToLower(u.Host), path: u.EscapedPath()}, nil
}

// HasReturnTo reports whether the page is told where to come back to.
func (p *ExternalPage) HasReturnTo() bool { return len(p.parts) > 1 }

// URL returns the page's URL with where to come back to.
func (p *ExternalPage) URL(returnTo string) string {
	return strings.Join(p.parts, encodeUnreserved(returnTo))
}

// encodeUnreserved encodes all but the characters that RFC 3986 never reserves (section
// 2.3), so that a value cannot end, whatever reads it.
func encodeUnreserved(value string) string {
	return strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
}

// Matches reports whether a URL of this site is the page itself, from which no browser is
// sent to it again.
func (p *ExternalPage) Matches(host, escapedPath string) bool {
	return (p.host == "" || p.host == strings.ToLower(host)) && escapedPath == p.path
}

// SignInHelps reports whether signing in again changes anything for a caller whose
// ambient credential was not accepted for a reason: an expired one is replaced
// by a better one, one of a wrong audience by the same, for ever.
func SignInHelps(reason authenticator.Reason) bool {
	switch reason {
	case authenticator.ReasonNone, authenticator.ReasonTokenExpired, authenticator.ReasonTokenRevoked,
		authenticator.ReasonSessionExpired, authenticator.ReasonSessionRevoked:
		return true
	}
	return false
}
