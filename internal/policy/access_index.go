package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxEntries bounds what names and pairs may grow to: a file of a megabyte could
// name some 10^10 pairs of a host and a path.
const maxEntries = 100_000

// maxBelow bounds, in bytes, the paths that rules lie below: each path names as many
// as it has segments.
const maxBelow = 16 << 20

// accessIndex finds a request's rule without asking each rule: from what rules
// say of paths, and then of hosts, to the number of the first that does.
type accessIndex struct {
	numbers map[string]any      // of map[string]any of int
	below   map[string]any      // the rules that lie below a path: of map[string]any of []any of int
	size    int                 // of below
	hosts   map[string]any      // the other hosts in it, to true
	domains map[string]struct{} // the hosts in it below which every host is meant
	depths  map[int]struct{}    // the segments of its paths that are meant with what is below
	pairs   int
}

func newAccessIndex() *accessIndex {
	return &accessIndex{numbers: map[string]any{}, below: map[string]any{}, hosts: map[string]any{}, domains: map[string]struct{}{}, depths: map[int]struct{}{}}
}

// add enters a rule, whose number is higher than those before. It fails if the
// index would become too large.
func (x *accessIndex) add(number int, hosts []string, paths []accessPath) error {
	if x.pairs += len(hosts) * len(paths); x.pairs > maxEntries {
		return fmt.Errorf("the rules have more than %d pairs of a host and a path", maxEntries)
	}
	for _, path := range paths {
		if path.below {
			x.depths[path.depth] = struct{}{}
		}
		byHost := objectAt(x.numbers, path.form)
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
		if x.addBelow(number, hosts, path.form); x.size > maxBelow {
			return errors.New("the paths of the rules are too long: write fewer segments")
		}
	}
	return nil
}

// addBelow enters a rule for each path that a form of its own lies below.
func (x *accessIndex) addBelow(number int, hosts []string, form string) {
	for above := parentOf(form); above != "" && x.size <= maxBelow; above = parentOf(above) {
		byHost := objectAt(x.below, above)
		for _, host := range hosts {
			numbers, _ := byHost[host].([]any)
			if len(numbers) == 0 || numbers[len(numbers)-1] != number {
				byHost[host] = append(numbers, number)
			}
		}
		x.size += len(above) * len(hosts)
	}
}

// parentOf returns the path above a form: /a/ for /a/b/, and for /a/* too, which is
// what lies below /a/. It is "" for /.
func parentOf(form string) string {
	return form[:1+strings.LastIndexByte(strings.TrimSuffix(form, "/"), '/')]
}

// objectAt returns the object at a key of another one, a new one if there is none.
func objectAt(of map[string]any, key string) map[string]any {
	object, known := of[key].(map[string]any)
	if !known {
		object = map[string]any{}
		of[key] = object
	}
	return object
}

// sortedKeys returns a set as a list for data.
func sortedKeys[K int | string](set map[K]struct{}) []any {
	list := make([]any, 0, len(set))
	for _, key := range slices.Sorted(maps.Keys(set)) {
		list = append(list, key)
	}
	return list
}
