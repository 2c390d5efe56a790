package session

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/policyauth/caddy-policy-auth/internal/netutil"
)

// The prefixes with which browsers keep others from setting a cookie (RFC
// 6265bis, section 4.1.3), in the one spelling that all of them know.
const (
	hostPrefix   = "__Host-"
	securePrefix = "__Secure-"
	defaultName  = "policy_auth"
)

// MaxCookieAge is the longest lifetime that browsers accept (RFC 6265bis, section
// 5.5).
const MaxCookieAge = 400 * 24 * time.Hour

// maxCookieName is the maximum length of a name, in bytes. With it a cookie stays
// far below 4096 bytes, beyond which browsers ignore it (section 5.6).
const maxCookieName = 256

// Cookie configures the cookie that holds a session's ID.
type Cookie struct {
	// Name must begin with __Host-, or with __Secure- if Domain is set. "" means
	// __Host-policy_auth or __Secure-policy_auth.
	Name string
	// Domain is the domain whose hosts share the session, or "" for the site's host
	// only.
	Domain string
	// SameSite is Lax (the zero value), Strict or None.
	SameSite http.SameSite
	// MaxAge is how long the browser keeps the cookie; 0 means until it is closed.
	MaxAge time.Duration
}

// WithDefaults returns the cookie with defaults for empty fields.
func (c Cookie) WithDefaults() Cookie {
	c.Domain = strings.ToLower(strings.TrimPrefix(c.Domain, "."))
	if c.Name == "" {
		c.Name = c.prefix() + defaultName
	}
	if c.SameSite == 0 {
		c.SameSite = http.SameSiteLaxMode
	}
	return c
}

func (c Cookie) prefix() string {
	if c.Domain != "" {
		return securePrefix
	}
	return hostPrefix
}

// Check returns an error for a cookie that browsers reject or that another host
// could set (R-CK-1, R-CK-2, R-CK-4, R-CK-8).
func (c Cookie) Check() error {
	rest, ok := strings.CutPrefix(c.Name, c.prefix())
	switch {
	case c.Name != "" && !ok && c.Domain != "":
		return fmt.Errorf("cookie_name: %q has to begin with %s, since the cookie has a domain", c.Name, securePrefix)
	case c.Name != "" && !ok:
		return fmt.Errorf("cookie_name: %q has to begin with %s, so that no other host can set it", c.Name, hostPrefix)
	case c.Name != "" && (rest == "" || !httpguts.ValidHeaderFieldName(rest)):
		return fmt.Errorf("cookie_name: %q is not a cookie's name", c.Name)
	case len(c.Name) > maxCookieName:
		return fmt.Errorf("cookie_name: it has %d characters; at most %d", len(c.Name), maxCookieName)
	case c.Domain != "" && !isDomain(c.Domain):
		return fmt.Errorf("cookie_domain: %q is not a domain such as example.com", c.Domain)
	case c.MaxAge > MaxCookieAge:
		return errors.New("persistent: browsers keep cookies for at most 400 days; shorten lifetime")
	}
	return nil
}

// isDomain reports whether several hosts can share a cookie with this Domain
// attribute.
func isDomain(domain string) bool {
	domain = strings.TrimPrefix(domain, ".")
	_, err := netip.ParseAddr(domain)
	return err != nil && strings.Contains(domain, ".") && !strings.ContainsAny(domain, ":/;, \t") &&
		!strings.HasPrefix(domain, ".") && !strings.HasSuffix(domain, ".") && httpguts.ValidHostHeader(domain)
}

// InsecureName returns the cookie's name over plain HTTP, where browsers reject
// cookies with a prefix.
func (c Cookie) InsecureName() string { return strings.TrimPrefix(c.Name, c.prefix()) }

func (c Cookie) name(https bool) string {
	if https {
		return c.Name
	}
	return c.InsecureName()
}

// Set sends the cookie to the browser. Over plain HTTP, which is possible on
// loopback hosts and with insecure_http, it has another name and is not Secure.
func (c Cookie) Set(w http.ResponseWriter, value string, https bool) {
	http.SetCookie(w, c.build(value, int(c.MaxAge/time.Second), https))
}

// Clear deletes the cookie in the browser, with the attributes that it was set with.
func (c Cookie) Clear(w http.ResponseWriter, https bool) { http.SetCookie(w, c.build("", -1, https)) }

// DeleteCookie deletes a cookie by its name and its domain, or "", in the browser. Use
// Clear for a cookie whose other attributes are known.
func DeleteCookie(w http.ResponseWriter, name, domain string, https bool) {
	c := Cookie{Domain: domain}.WithDefaults().build("", -1, https)
	c.Name = name
	http.SetCookie(w, c)
}

func (c Cookie) build(value string, maxAge int, https bool) *http.Cookie {
	made := &http.Cookie{
		Name: c.name(https), Value: value, Path: "/", Domain: c.Domain, MaxAge: maxAge,
		Secure: https, HttpOnly: true, SameSite: c.SameSite,
	}
	if !https && made.SameSite == http.SameSiteNoneMode {
		made.SameSite = http.SameSiteLaxMode // None needs Secure (section 5.7)
	}
	return made
}

// Read returns the cookie's value in a request. If the cookie occurs twice, another
// host may have set one of them, and Read returns false (R-CK-5).
func (c Cookie) Read(r *http.Request, https bool) (string, bool) {
	found := CookieValues(r, c.name(https))
	if len(found) != 1 {
		return "", false
	}
	return found[0], true
}

// RequestHost returns the host of a request in lower case, without the port, which
// cookies ignore, and without a dot at its end.
func RequestHost(r *http.Request) string {
	return strings.ToLower(strings.TrimSuffix(netutil.Host(r.Host), "."))
}

// isLocal reports whether a host is the browser's own machine (RFC 6761, section
// 6.3): no third party can read what is sent to it over plain HTTP.
func isLocal(host string) bool {
	return netutil.IsLoopback(host) || strings.HasSuffix(host, ".localhost")
}
