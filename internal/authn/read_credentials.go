package authn

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/session"
)

// sessionSources returns where a session's id is: in a cookie with a prefix, which
// browsers let no other host set, and, where a site is visited over plain HTTP, in
// one without.
func sessionSources(cookie session.Cookie) []authenticator.Source {
	return []authenticator.Source{
		{Cookie: cookie.Name, CookieDomain: cookie.Domain},
		{Cookie: cookie.InsecureName(), CookieDomain: cookie.Domain, PlainHTTPOnly: true},
	}
}

// DeleteCookie deletes the cookie of a source in the browser, with the attributes
// that it was set with.
func DeleteCookie(w http.ResponseWriter, source authenticator.Source, https bool) {
	session.DeleteCookie(w, source.Cookie, source.CookieDomain, https)
}

// isHTTPS reports whether the client sees the site over TLS.
func isHTTPS(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return request.SchemeOf(r, trusted) == "https"
}

// browserAttached reports whether browsers send the credentials of a source on their
// own, once they have them (RFC 7617, section 2.2).
func browserAttached(source authenticator.Source) bool {
	return source.Scheme == "basic" || source.Ambient() && !source.NotBrowserAttached
}

// eachCredential calls visit for each credential that a request has in a source.
func eachCredential(r *http.Request, source authenticator.Source, visit func(value string)) {
	if source.Scheme == "" {
		for _, value := range credentialsIn(r, source) {
			visit(value)
		}
		return
	}
	for _, line := range r.Header["Authorization"] {
		if value, ok := cutScheme(line, source.Scheme); ok {
			visit(value)
		}
	}
}

// credentialsIn returns the credentials that a request has in a source that is not
// Authorization.
func credentialsIn(r *http.Request, source authenticator.Source) []string {
	switch {
	case source.Cookie != "":
		if source.PlainHTTPOnly && isHTTPS(r) {
			return nil // another host of the same domain may have set it
		}
		return session.CookieValues(r, source.Cookie)
	case source.Query != "" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		return parameters(r.URL.RawQuery, source.Query)
	}
	return r.Header[source.Header]
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
