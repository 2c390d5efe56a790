package accesstable

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// warnShadowed warns of a rule that is never asked about something that it names,
// since one before it decides: /admin/* below /* lets in every caller that /* lets in.
func (p *parser) warnShadowed(item *yaml.Node, hosts []string, paths []path) {
	if len(hosts)*len(paths) > maxEntries {
		return // which is a mistake anyway
	}
	for _, path := range paths {
		for _, host := range hosts {
			number, decided := p.index.decides(host, path)
			if !decided {
				continue
			}
			p.warnings = append(p.warnings, fmt.Sprintf("%s:%d:%d: the rule is never asked about %s: %s stands before it and decides; write what is special first",
				p.table.name, item.Line, item.Column, nameOfPair(host, path), p.rules[number].Label))
			return
		}
	}
}

// nameOfPair names a path and a host as one writes them.
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

// decides returns the number of the first rule that decides about everything that
// a path on a host means, of those that are in the index.
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

// hostsAround returns the hosts of the index that mean what a host means, at least.
func hostsAround(host string) []string {
	hosts := []string{host, anyHost}
	for i := 1; i < len(host); i++ {
		if host[i] == '.' {
			hosts = append(hosts, host[i:])
		}
	}
	return hosts
}
