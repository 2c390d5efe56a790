// Package sharelink lets guests see parts of a site by share links: URLs with a secret
// that open a guest session for some paths until a time. A store holds a record of each
// link and of each guest; what the store does not have does not count (S-40).
package sharelink

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Method is the Method of a guest's identity.
const Method = "link"

const (
	// maxName is the maximum length of a link's name, in bytes.
	maxName = 200
	// maxPaths is the maximum number of paths of a link, and maxPath the maximum length
	// of one, in bytes.
	maxPaths = 100
	maxPath  = 1 << 10
	// maxUses is the highest number of uses to which a link can be limited.
	maxUses = 1_000_000
)

// Link is a share link. A stored one is immutable.
type Link struct {
	// ID identifies the link in lists, logs and policies. It is a part of a hash of the
	// token, which cannot be computed from it.
	ID string `json:"-"`
	// Hash is the SHA-256 hash of the token.
	Hash []byte `json:"hash"`
	// Name says to operators and guests what the link is for, or is "".
	Name string `json:"name,omitempty"`
	// Host is the host of the site, in lower case and without a port.
	Host string `json:"host"`
	// Origin is the scheme, the host and the port of the site, without a default port. A link
	// of an earlier version has none, and counts on each of the host.
	Origin string `json:"origin,omitempty"`
	// Paths are what guests may see, at least one: /a exactly, or /a/* with everything
	// below it.
	Paths []Path `json:"paths"`
	// Created is when the link was made. It counts until Until.
	Created time.Time `json:"created"`
	Until   time.Time `json:"until"`
	// Uses is how often the link can be opened, or 0 for any number. Used is how often it
	// was.
	Uses int `json:"uses,omitempty"`
	Used int `json:"-"`
}

// Identity returns the identity of the link's guests.
func (l *Link) Identity() *authenticator.Identity {
	id := &authenticator.Identity{Kind: authenticator.KindGuest, ID: "link:" + l.ID, Method: Method, ExpiresAt: l.Until.Unix()}
	return id.Normalize()
}

// Opens reports whether a path, decoded as in a reading of a request, is one of the
// link's.
func (l *Link) Opens(path string) bool {
	for _, p := range l.Paths {
		if p.matches(path) {
			return true
		}
	}
	return false
}

// Spec describes a link to be made.
type Spec struct {
	// URLs are what guests may see: absolute URLs of one site, whose paths may end with
	// /* for everything below. The first one is where the link leads.
	URLs []string `json:"urls"`
	// Until is when the link ends, as ParseUntil takes it.
	Until string `json:"until,omitempty"`
	// Name says what the link is for, in at most 200 bytes, or is "".
	Name string `json:"name,omitempty"`
	// Uses is how often the link can be opened, or 0 for any number.
	Uses int `json:"uses,omitempty"`
}

// Parse returns the link that is described, without an ID, and the origin of its URLs.
func (s Spec) Parse(now time.Time) (link Link, origin string, err error) {
	switch {
	case len(s.URLs) == 0:
		return Link{}, "", errors.New("name a URL that guests may see, such as https://photos.example.com/2026/*")
	case len(s.URLs) > maxPaths:
		return Link{}, "", fmt.Errorf("a link has at most %d URLs, not %d", maxPaths, len(s.URLs))
	case s.Uses < 0 || s.Uses > maxUses:
		return Link{}, "", fmt.Errorf("uses: want a number from 1 to %d, or none for any number of uses", maxUses)
	}
	if err := checkName(s.Name); err != nil {
		return Link{}, "", err
	}
	link = Link{Name: s.Name, Uses: s.Uses, Created: now.UTC().Truncate(time.Second)}
	for _, text := range s.URLs {
		from, host, path, err := parseURL(text)
		switch {
		case err != nil:
			return Link{}, "", err
		case origin != "" && from != origin:
			return Link{}, "", fmt.Errorf("a link is for one site, and %s is not %s: make a link for each", from, origin)
		}
		origin, link.Host, link.Paths = from, host, append(link.Paths, path)
		link.Origin = withoutDefaultPort(origin)
	}
	if s.Until != "" {
		link.Until, err = ParseUntil(s.Until, now)
	}
	return link, origin, err
}

// checkName returns an error for a name that is too long or has invisible characters,
// which could make it look like another text.
func checkName(name string) error {
	switch {
	case len(name) > maxName:
		return fmt.Errorf("name: it has %d bytes; at most %d", len(name), maxName)
	case !utf8.ValidString(name), strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("name: want printable text on one line")
	}
	return nil
}

// parseURL parses a URL that guests may see. An error shows the URL only if it has no
// password.
func parseURL(text string) (origin, host string, path Path, err error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", "", "", errors.New("want a URL such as https://photos.example.com/2026/*; this one cannot be parsed")
	case u.User != nil:
		return "", "", "", errors.New("want a URL without a user name and a password")
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return "", "", "", fmt.Errorf("%.100q is not an absolute URL such as https://photos.example.com/2026/*", text)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(text, "#"):
		return "", "", "", fmt.Errorf("%.100q: want a URL without a query and a fragment; guests may use any query on their paths", text)
	}
	if host, err = parseHost(u.Hostname()); err != nil {
		return "", "", "", err
	}
	if path, err = ParsePath(u); err != nil {
		return "", "", "", err
	}
	authority := host
	if strings.Contains(host, ":") {
		authority = "[" + host + "]"
	}
	if port := u.Port(); port != "" {
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil || number == 0 {
			return "", "", "", fmt.Errorf("%q is not a port", port)
		}
		authority += ":" + strconv.FormatUint(number, 10)
	}
	return u.Scheme + "://" + authority, host, path, nil
}

// withoutDefaultPort returns an origin as browsers write it.
func withoutDefaultPort(origin string) string {
	if rest, plain := strings.CutPrefix(origin, "http://"); plain {
		return "http://" + strings.TrimSuffix(rest, ":80")
	}
	return strings.TrimSuffix(origin, ":443")
}

// parseHost returns a host as requests have it: in ASCII and lower case (RFC 5891,
// section 4).
func parseHost(text string) (string, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.String(), nil
	}
	host, err := idna.New(idna.MapForLookup(), idna.StrictDomainName(false)).ToASCII(strings.TrimSuffix(text, "."))
	if err != nil || host == "" || strings.ContainsAny(host, "*/@?# ") {
		return "", fmt.Errorf("%.100q is not a host; a link is for one host, without *", text)
	}
	return host, nil
}
