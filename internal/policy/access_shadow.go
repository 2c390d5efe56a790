package policy

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// warnShadowed warns of a rule that is never asked about something that it names,
// since one before it decides: /admin/* below /* lets in whom /* lets in.
func (p *accessParser) warnShadowed(item *yaml.Node, hosts []string, paths []accessPath) {
	if len(hosts)*len(paths) > maxEntries {
		return // which is a mistake anyway
	}
	for _, path := range paths {
		for _, host := range hosts {
			number, decided := p.index.decides(host, path)
			if !decided {
				continue
			}
			earlier, _ := p.rules[number].(map[string]any)
			p.warnings = append(p.warnings, fmt.Sprintf("%s:%d:%d: the rule is never asked about %s: %v stands before it and decides; write what is special first",
				p.table.name, item.Line, item.Column, nameOfPair(host, path), earlier["label"]))
			return
		}
	}
}

// nameOfPair names a path and a host as one writes them.
func nameOfPair(host string, path accessPath) string {
	name := path.form
	if !path.below && path.depth > 0 {
		name = strings.TrimSuffix(name, "/")
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
func (x *accessIndex) decides(host string, path accessPath) (number int, decided bool) {
	for _, form := range x.formsAround(path) {
		byHost, _ := x.numbers[form].(map[string]any)
		for _, around := range hostsAround(host) {
			if n, ok := byHost[around].(int); ok && (!decided || n < number) {
				number, decided = n, true
			}
		}
	}
	return number, decided
}

// formsAround returns the forms of the paths in the index that may mean what a path
// means, at least.
func (x *accessIndex) formsAround(path accessPath) []string {
	forms := []string{path.form}
	base := strings.TrimSuffix(path.form, "*")
	for depth := path.depth; depth >= 0; depth-- {
		if _, known := x.depths[depth]; known {
			forms = append(forms, base+"*")
		}
		base = base[:1+strings.LastIndexByte(strings.TrimSuffix(base, "/"), '/')]
	}
	return forms
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

// boundedWarnings returns no more than a page of them.
func boundedWarnings(warnings []string) []string {
	if len(warnings) > maxErrors {
		return append(warnings[:maxErrors:maxErrors], fmt.Sprintf("and %d more", len(warnings)-maxErrors))
	}
	return warnings
}
