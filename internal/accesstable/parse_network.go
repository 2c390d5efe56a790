package accesstable

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/policyauth/caddy-policy-auth/internal/textutil"
)

// parseNetworks parses the names that a table defines for networks.
func (p *parser) parseNetworks(node *yaml.Node) {
	for _, m := range p.members(node, "networks", nil) {
		switch _, err := parsePrefix(m.name); {
		case err == nil || m.name == "":
			p.problem(m.key, "networks: want a name such as lan, not %q", m.name)
			continue
		case p.networks[m.name] != nil:
			p.problem(m.key, "networks: %.60q is also defined in another table", m.name)
			continue
		}
		what := fmt.Sprintf("network %.60s", m.name)
		p.networks[m.name] = []string{} // defined, even if it has mistakes
		for _, item := range p.texts(m.value, what, false) {
			prefix, err := parsePrefix(item.Value)
			if err != nil {
				p.problem(item, "%s: %v", what, err)
				continue
			}
			p.networks[m.name] = append(p.networks[m.name], prefix)
		}
	}
}

// namedNetworks parses a list of names of networks, prefixes and addresses.
func (p *parser) namedNetworks(node *yaml.Node, what string, mayBeEmpty bool) []string {
	var result []string
	for _, item := range p.texts(node, what, mayBeEmpty) {
		if named := p.networks[item.Value]; named != nil {
			if p.named += len(named); p.named > maxEntries {
				p.problem(item, "%s: more than %d networks after names are replaced; name larger networks", what, maxEntries)
				break
			}
			result = append(result, named...)
			continue
		}
		prefix, err := parsePrefix(item.Value)
		if err != nil {
			p.problem(item, "%s: %v%s", what, err, p.networkNames(item.Value))
			continue
		}
		result = append(result, prefix)
	}
	return result
}

// maxNames is the maximum number of names that an unknown one is compared with.
const maxNames = 100

// networkNames lists the defined names and suggests the nearest.
func (p *parser) networkNames(text string) string {
	switch {
	case len(p.networks) == 0:
		return "; no name is defined under networks"
	case len(p.networks) > maxNames:
		return fmt.Sprintf("; it is none of the %d names under networks", len(p.networks))
	}
	names := slices.Sorted(maps.Keys(p.networks))
	return fmt.Sprintf("%s; defined names: %s", textutil.DidYouMean(text, names), strings.Join(names, " "))
}

// parsePrefix returns a prefix in its canonical spelling. An address becomes a prefix of
// its full length.
func parsePrefix(text string) (string, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()).String(), nil
	}
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return "", fmt.Errorf("%.60q is not a network: write a prefix such as 192.168.0.0/16, or an address", text)
	case prefix.Addr().Is4In6():
		return "", fmt.Errorf("%q: write it as an IPv4 network", text)
	case prefix != prefix.Masked():
		return "", fmt.Errorf("%q has host bits set: write %s", text, prefix.Masked())
	}
	return prefix.String(), nil
}
