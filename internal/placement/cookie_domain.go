package placement

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// CheckCookieDomain returns an error if a host of the site whose handler is being
// provisioned is not below the domain of its session cookie.
func CheckCookieDomain(ctx caddy.Context, domain string) error {
	if domain == "" {
		return nil
	}
	if host := uncoveredHost(ctx, domain); host != "" {
		return fmt.Errorf("session: cookie_domain %s does not cover %s, a host of this site, where browsers would not keep the cookie: name a domain that all hosts of the site end in, or leave cookie_domain out", domain, host)
	}
	return nil
}

// uncoveredHost returns a host of the site that the domain does not cover, or "" if there
// is none or the routes do not name the hosts of the site.
func uncoveredHost(ctx caddy.Context, domain string) (host string) {
	for _, module := range ctx.Modules() {
		var candidates []*caddyhttp.Route
		switch m := module.(type) {
		case *caddyhttp.App:
			candidates = withDomain(currentOf(m), domain)
		case *caddyhttp.Subroute:
			if route := current(m.Routes); route != nil {
				candidates = append(candidates, route)
			}
		}
		for _, route := range candidates {
			hosts, known := hostsOf(route.MatcherSets)
			if !known {
				continue // an outer route may say it
			}
			if host = firstUncovered(hosts, domain); host == "" {
				return ""
			}
		}
	}
	return host
}

// withDomain returns the routes that have a policy_auth with this cookie_domain: those
// of other servers are not what is being provisioned.
func withDomain(routes []*caddyhttp.Route, domain string) (found []*caddyhttp.Route) {
	quoted, err := json.Marshal(domain)
	for _, route := range routes {
		for _, raw := range route.HandlersRaw {
			if err == nil && bytes.Contains(raw, []byte(`"cookie_domain"`)) && bytes.Contains(bytes.ToLower(raw), quoted) {
				found = append(found, route)
				break
			}
		}
	}
	return found
}

// hostsOf returns the hosts that matchers name, lower-case, and whether those are all
// that can match.
func hostsOf(sets caddyhttp.MatcherSets) (hosts []string, known bool) {
	for _, set := range sets {
		named := false
		for _, matcher := range set {
			var list caddyhttp.MatchHost
			switch m := matcher.(type) {
			case caddyhttp.MatchHost:
				list = m
			case *caddyhttp.MatchHost:
				list = *m
			}
			for _, host := range list {
				if strings.Contains(host, "{") {
					return nil, false
				}
				hosts, named = append(hosts, strings.ToLower(host)), true
			}
		}
		if !named {
			return nil, false
		}
	}
	return hosts, len(hosts) > 0
}

// firstUncovered returns the first host that is not of a domain, or "". Of a pattern it
// is enough that it matches one that is.
func firstUncovered(hosts []string, domain string) string {
	wanted := strings.Split(domain, ".")
	for _, host := range hosts {
		labels := strings.Split(host, ".")
		extra := len(labels) - len(wanted)
		if extra < 0 || !slices.EqualFunc(labels[extra:], wanted, fits) {
			return host
		}
	}
	return ""
}

// fits reports whether a label of a pattern may match a label.
func fits(pattern, label string) bool { return pattern == "*" || pattern == label }
