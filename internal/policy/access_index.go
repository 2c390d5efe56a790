package policy

import (
	"maps"
	"slices"
	"strings"
)

// maxEntries bounds what names and pairs may grow to: a file of a megabyte could
// name some 10^10 pairs of a host and a path.
const maxEntries = 100_000

// accessIndex finds a request's rule without asking each rule: from what rules
// say of paths, and then of hosts, to the number of the first that does.
type accessIndex struct {
	numbers map[string]any      // of map[string]any of int
	hosts   map[string]any      // the other hosts in it, to true
	domains map[string]struct{} // the hosts in it below which every host is meant
	depths  map[int]struct{}    // the segments of its paths that are meant with what is below
	pairs   int
}

func newAccessIndex() *accessIndex {
	return &accessIndex{numbers: map[string]any{}, hosts: map[string]any{}, domains: map[string]struct{}{}, depths: map[int]struct{}{}}
}

// add enters a rule, whose number is higher than those before. It is false if
// the index would become too large.
func (x *accessIndex) add(number int, hosts []string, paths []accessPath) bool {
	if x.pairs += len(hosts) * len(paths); x.pairs > maxEntries {
		return false
	}
	for _, path := range paths {
		if path.below {
			x.depths[path.depth] = struct{}{}
		}
		byHost, known := x.numbers[path.form].(map[string]any)
		if !known {
			byHost = map[string]any{}
			x.numbers[path.form] = byHost
		}
		for _, host := range hosts {
			if strings.HasPrefix(host, ".") {
				x.domains[host] = struct{}{}
			} else if host != anyHost {
				x.hosts[host] = true
			}
			if _, earlier := byHost[host]; !earlier {
				byHost[host] = number
			}
		}
	}
	return true
}

// sortedKeys returns a set as a list for data.
func sortedKeys[K int | string](set map[K]struct{}) []any {
	list := make([]any, 0, len(set))
	for _, key := range slices.Sorted(maps.Keys(set)) {
		list = append(list, key)
	}
	return list
}
