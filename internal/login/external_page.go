package login

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// placeholder is replaced by the URL to return to.
const placeholder = "{return_to}"

// ExternalPage is a sign-in page of another application.
type ExternalPage struct {
	parts []string // the text between the placeholders
	host  string   // lower-case, with a port if there is one; "" for this site
	path  string
}

// ParseExternalPage parses the template of a sign-in page's URL: an https or http
// URL, or a path on this site. In the query or in the fragment, {return_to} is
// replaced by the URL to return to.
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

// HasReturnTo reports whether the template contains {return_to}.
func (p *ExternalPage) HasReturnTo() bool { return len(p.parts) > 1 }

// URL returns the page's URL for a URL to return to.
func (p *ExternalPage) URL(returnTo string) string {
	return strings.Join(p.parts, encodeUnreserved(returnTo))
}

// encodeUnreserved percent-encodes all characters but the unreserved ones (RFC
// 3986, section 2.3), so that no parser ends the value early.
func encodeUnreserved(value string) string {
	return strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
}

// Matches reports whether a host and an escaped path of this site are the page
// itself. Requests for it are not redirected to it again.
func (p *ExternalPage) Matches(host, escapedPath string) bool {
	return (p.host == "" || p.host == strings.ToLower(host)) && escapedPath == p.path
}

// SignInHelps reports whether signing in again can resolve the rejection of a
// browser's credential. An expired credential is replaced by a valid one. A
// credential with a wrong audience is replaced by one like it, which would cause a
// redirect loop.
func SignInHelps(reason authenticator.Reason) bool {
	switch reason {
	case authenticator.ReasonNone, authenticator.ReasonTokenExpired, authenticator.ReasonTokenRevoked,
		authenticator.ReasonSessionExpired, authenticator.ReasonSessionRevoked:
		return true
	}
	return false
}
