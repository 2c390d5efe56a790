package authn

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/session"
	"github.com/policyauth/caddy-policy-auth/internal/sharelink"
)

// Links lets guests see the paths of share links, which operators make with caddy
// policy-auth link or by the admin API. The access rules decide as for other callers.
type Links struct {
	// How long a link may last. Default: 30d.
	MaxAge caddy.Duration `json:"max_age,omitempty"`

	// Where links are stored on a site without a login of its own. Beside one, links are
	// stored with its sessions, and this is an error. Default: a file in Caddy's data
	// directory.
	Store *SessionStore `json:"store,omitempty"`
}

// Parse sets up the links from Caddyfile tokens. Syntax:
//
//	links {
//	    max_age <duration>
//	    store file [<path>] | store redis <url>
//	}
func (l *Links) Parse(d *caddyfile.Dispenser) error {
	if err := caddyfileutil.NoArgs(d, "links", "max_age 30d"); err != nil {
		return err
	}
	return caddyfileutil.ValidatedBlock(d, "links", caddyfileutil.Subdirectives{
		"max_age": caddyfileutil.Duration(&l.MaxAge),
		"store":   parseStore(&l.Store),
	}, l.check)
}

// check reports what is wrong whatever the site is.
func (l *Links) check() error {
	if l.MaxAge < 0 {
		return errors.New("links: max_age must be positive, such as 30d")
	}
	if err := l.Store.check(); err != nil {
		return fmt.Errorf("links: %w", err)
	}
	return nil
}

// LinkSite is a site with share links.
type LinkSite struct {
	// Links are the links in the site's store. Sites with the same Registry share them.
	Links    *sharelink.Links
	Registry *session.Registry
	// Hosts are the names and patterns of the site, or nil if they are unknown.
	Hosts []string
	// MaxAge is how long a link may last.
	MaxAge time.Duration
}

// Serves reports whether a host may be one of the site's.
func (s *LinkSite) Serves(host string) bool {
	return s.Hosts == nil || slices.ContainsFunc(s.Hosts, func(pattern string) bool {
		labels, wanted := strings.Split(host, "."), strings.Split(pattern, ".")
		return slices.EqualFunc(labels, wanted, func(label, of string) bool { return of == "*" || label == of })
	})
}

// linkSites are the sites with share links of all configurations in use.
var linkSites struct {
	mu  sync.Mutex
	all []*LinkSite
}

// LinkSites returns the sites with share links.
func LinkSites() []*LinkSite {
	linkSites.mu.Lock()
	defer linkSites.mu.Unlock()
	return slices.Clone(linkSites.all)
}

// Open returns the links of a site with these hosts and sessions, or nil for a site without
// sessions. Release is to be called when they are no longer used.
func (l *Links) Open(ctx caddy.Context, sessions *Session, hosts []string) (site *LinkSite, release func(), err error) {
	if err := l.check(); err != nil {
		return nil, nil, err
	}
	kept := l.Store
	if sessions != nil {
		if kept != nil {
			return nil, nil, errors.New("links: store is for sites without a login; here, links are stored with the sessions: write store in session instead")
		}
		if slices.Contains(sharelink.CookieNames(), sessions.CookieName) {
			return nil, nil, fmt.Errorf("session: cookie_name: %s is the cookie of guests: choose another name", sessions.CookieName)
		}
		kept = sessions.Store
	}
	shared, drop, err := kept.acquire(ctx.Storage())
	if err != nil {
		return nil, nil, fmt.Errorf("links: %w", err)
	}
	site = &LinkSite{Links: sharelink.New(shared.Registry.Store(), nil), Registry: shared.Registry, Hosts: hosts, MaxAge: time.Duration(l.MaxAge)}
	if site.MaxAge == 0 {
		site.MaxAge = sharelink.DefaultMaxAge
	}
	linkSites.mu.Lock()
	defer linkSites.mu.Unlock()
	linkSites.all = append(linkSites.all, site)
	return site, func() { removeLinkSite(site); drop() }, nil
}

func removeLinkSite(site *LinkSite) {
	linkSites.mu.Lock()
	defer linkSites.mu.Unlock()
	linkSites.all = slices.DeleteFunc(linkSites.all, func(s *LinkSite) bool { return s == site })
}
