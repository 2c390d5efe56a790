package accesstable

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// warnShadowed warns if an earlier rule decides about everything that a host and a path
// of this rule match, so that the rule has no effect there: after /*, a rule for
// /admin/* is unreachable.
func (p *parser) warnShadowed(item *yaml.Node, hosts []string, paths []path) {
	if len(hosts)*len(paths) > maxEntries {
		return // index.add reports this
	}
	for _, path := range paths {
		for _, host := range hosts {
			number, decided := p.index.decides(host, path)
			if !decided {
				continue
			}
			p.warnings = append(p.warnings, fmt.Sprintf("%s:%d:%d: the rule never decides about %s: %s comes first and decides; put the more specific rule first",
				p.table.name, item.Line, item.Column, nameOfPair(host, path), p.rules[number].Label))
			return
		}
	}
}

// nameOfPair returns a path and a host as they are written in a table.
func nameOfPair(host string, path path) string {
	name := path.form()
	if !path.below && path.depth > 0 {
		name = path.key
	}
	switch {
	case host == anyHost:
		return name
	case strings.HasPrefix(host, "."):
		return name + " on *" + host
	}
	return name + " on " + host
}

// decides returns the number of the first rule of the index that decides about
// everything that a path on a host matches.
func (x *index) decides(host string, p path) (number int, decided bool) {
	take := func(byHost hostIndex) {
		for _, around := range hostsAround(host) {
			if n, ok := byHost[around]; ok && (!decided || n < number) {
				number, decided = n, true
			}
		}
	}
	if !p.below {
		take(x.exact[p.key])
	}
	key, depth := p.key, p.depth
	for _, level := range slices.Backward(x.depths) {
		for ; depth > level; depth-- {
			key = key[:strings.LastIndexByte(key, '/')]
		}
		if depth == level {
			take(x.below[key])
		}
	}
	return number, decided
}

// hostsAround returns the hosts of the index that match everything that a host matches.
func hostsAround(host string) []string {
	hosts := []string{host, anyHost}
	for i := 1; i < len(host); i++ {
		if host[i] == '.' {
			hosts = append(hosts, host[i:])
		}
	}
	return hosts
}
