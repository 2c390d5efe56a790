package token

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// privateNetworks are the networks of a machine or a site and those without public
// addresses (RFC 6890). Requests to them are allowed only for hosts in the
// configuration.
var privateNetworks = parsePrefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "240.0.0.0/4",
	"::/128", "::1/128", "64:ff9b:1::/48", "2001::/23", "fc00::/7", "fec0::/10",
)

// forbiddenNetworks are link-local and multicast networks, which are always
// rejected: cloud metadata services at link-local addresses hand out credentials.
var forbiddenNetworks = parsePrefixes("169.254.0.0/16", "fe80::/10", "224.0.0.0/4", "ff00::/8")

func parsePrefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// isInAny reports whether an address is in one of the networks.
func isInAny(ip netip.Addr, networks []netip.Prefix) bool {
	for _, network := range networks {
		if network.Contains(ip) {
			return true
		}
	}
	return false
}

// checkAddress returns an error if requests to an address are not allowed. Named
// says that the host is in the configuration.
func checkAddress(ip netip.Addr, named bool) error {
	ip = embeddedIPv4(ip.Unmap().WithZone(""))
	switch {
	case isInAny(ip, forbiddenNetworks):
		return fmt.Errorf("%s is a link-local or multicast address, which no issuer has", ip)
	case !named && isInAny(ip, privateNetworks):
		return fmt.Errorf("%s is an address of a private network; name the URL in the configuration if that is meant", ip)
	}
	return nil
}

// The networks of IPv6 whose addresses hold one of IPv4.
var nat64, sixToFour, ipv4Compatible = netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("::/96")

// embeddedIPv4 returns the IPv4 address that is embedded in an IPv6 address by
// NAT64 (RFC 6052), 6to4 (RFC 3056) or as an IPv4-compatible address, and other
// addresses unchanged.
func embeddedIPv4(ip netip.Addr) netip.Addr {
	if !ip.Is6() {
		return ip
	}
	b := ip.As16()
	switch {
	case nat64.Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:]))
	case sixToFour.Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6]))
	case ipv4Compatible.Contains(ip) && (b[12] != 0 || b[13] != 0):
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return ip
}

// privateSuffixes are the domains of names for one machine or one site (RFC 6761,
// RFC 6762, RFC 8375, and ICANN's reserved "internal").
var privateSuffixes = []string{"localhost", "local", "internal", "home.arpa"}

// checkHostname returns an error for a name that a proxy may resolve to an address
// in a private network, whatever the local resolver returns.
func checkHostname(host string, named bool) error {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	last := host[strings.LastIndexByte(host, '.')+1:]
	if isNumber(last) {
		return errors.New("the host is neither a name nor an IP address in its usual form")
	}
	if named {
		return nil
	}
	for _, end := range privateSuffixes {
		if host == end || strings.HasSuffix(host, "."+end) {
			return fmt.Errorf("%s is a name of a private network; name the URL in the configuration if that is meant", host)
		}
	}
	if last == host {
		return fmt.Errorf("%s is a name without a domain; name the URL in the configuration if that is meant", host)
	}
	return nil
}

// isNumber reports whether the last label of a host makes it an IPv4 address for
// programs that parse addresses like inet_aton.
func isNumber(part string) bool {
	digits := "0123456789"
	if hex, found := strings.CutPrefix(part, "0x"); found {
		part, digits = hex, digits+"abcdef"
	}
	return strings.Trim(part, digits) == ""
}
