package placement

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/caddyserver/certmagic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
)

// CheckClientAuth returns an error if the TLS connections of the site whose handler is
// being provisioned may have client certificates that nothing has verified, unless
// ownRoots says that the handler verifies them, or if they never have any.
func CheckClientAuth(ctx caddy.Context, ownRoots bool) error {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return nil
	}
	return checkClientAuth(server.TLSConnPolicies, siteHosts(ctx, server), ownRoots)
}

func checkClientAuth(policies caddytls.ConnectionPolicies, hosts []string, ownRoots bool) error {
	for _, policy := range policiesFor(policies, withoutName(hosts)) {
		auth := policy.ClientAuthentication
		if auth == nil || !auth.Active() || ownRoots {
			continue
		}
		if err := checkVerified(auth); err != nil {
			return err
		}
	}
	if asksForCertificate(policies, hosts) {
		return nil
	}
	const problem = "no TLS connection of this site asks clients for a certificate: "
	if slices.ContainsFunc(hosts, isAddress) {
		return errors.New(problem + "in the handshake for an IP address clients send no name, so that the client_auth of an address in a Caddyfile does not apply; give the site a name, or no host (https://:443)")
	}
	return errors.New(problem + "add client_auth to the site's tls directive; behind a proxy that ends TLS, add roots <file> and from header <name>")
}

// asksForCertificate reports whether the handshake for one of some hosts, or for any if
// they are nil, may ask the client for a certificate.
func asksForCertificate(policies caddytls.ConnectionPolicies, hosts []string) bool {
	names := make([]string, len(hosts))
	for i, host := range hosts {
		if !isAddress(host) { // for one, clients send no name
			names[i] = host
		}
	}
	if hosts == nil {
		names = nil
	}
	return slices.ContainsFunc(policiesFor(policies, names), func(policy *caddytls.ConnectionPolicy) bool {
		return policy.ClientAuthentication != nil && policy.ClientAuthentication.Active()
	})
}

// withoutName returns hosts, and "" for handshakes without a name if a host may be an IP
// address: requests for all other hosts are misdirected on such connections.
func withoutName(hosts []string) []string {
	if slices.ContainsFunc(hosts, mayBeAddress) {
		return append(slices.Clone(hosts), "")
	}
	return hosts
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

// mayBeAddress reports whether a host, which may have wildcards, can be an IP address.
func mayBeAddress(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	return isAddress(host) || last == "*" || strings.Trim(last, "0123456789") == ""
}

// checkVerified returns an error unless the TLS server verifies client certificates by
// authorities that are configured.
func checkVerified(auth *caddytls.ClientAuthentication) error {
	authorities := len(auth.CARaw) > 0 || len(auth.TrustedCACerts) > 0 || len(auth.TrustedCACertPEMFiles) > 0 //nolint:staticcheck // configurations still have them
	mode := auth.Mode
	if mode == "" && !authorities {
		mode = "require" // Caddy's default
	}
	switch {
	case mode == "request" || mode == "require":
		return fmt.Errorf("client_auth of this site has the mode %s, with which no certificate is verified: use verify_if_given or require_and_verify with a trust_pool, or add roots <file> to client_certificate", mode)
	case !authorities:
		return errors.New("client_auth of this site has no trust_pool, so that a certificate of any public authority would count: add a trust_pool, or roots <file> to client_certificate")
	}
	return nil
}

// siteHosts returns the hosts of the site whose handler is being provisioned, or nil if
// the routes do not name them.
func siteHosts(ctx caddy.Context, server *caddyhttp.Server) []string {
	if route := current(server.Routes); route != nil && hasOurs(route) {
		if hosts, known := hostsOf(route.MatcherSets); known {
			return hosts
		}
	}
	for _, module := range ctx.Modules() {
		subroute, ok := module.(*caddyhttp.Subroute)
		if !ok {
			continue
		}
		if route := current(subroute.Routes); route != nil {
			if hosts, known := hostsOf(route.MatcherSets); known {
				return hosts
			}
		}
	}
	return nil
}

// policiesFor returns the connection policies that may apply to a handshake for one of
// some hosts; nil hosts are any. Of the policies that match, the first applies.
func policiesFor(policies caddytls.ConnectionPolicies, hosts []string) caddytls.ConnectionPolicies {
	if hosts == nil {
		return policies
	}
	var found caddytls.ConnectionPolicies
	for _, host := range hosts {
		for _, policy := range policies {
			possible, certain := matchesHost(policy.MatchersRaw, host)
			if possible {
				found = append(found, policy)
			}
			if certain {
				break
			}
		}
	}
	return found
}

// matchesHost reports whether a policy with some matchers possibly, and whether it
// certainly, applies to each handshake for a host, which may have wildcards.
func matchesHost(matchers caddy.ModuleMap, host string) (possible, certain bool) {
	raw, named := matchers["sni"]
	if !named {
		return true, len(matchers) == 0
	}
	var names []string
	if json.Unmarshal(raw, &names) != nil {
		return true, false
	}
	for _, name := range names {
		name = strings.ToLower(name)
		switch {
		case certmagic.MatchWildcard(host, name):
			return true, len(matchers) == 1
		case certmagic.MatchWildcard(name, host) || strings.Contains(name, "{"):
			possible = true
		}
	}
	return possible, false
}
