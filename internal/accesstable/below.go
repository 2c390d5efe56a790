package accesstable

import (
	"errors"
	"net/http"
	"slices"
	"strings"
)

// Some methods act on everything below a path: there each rule that decides for
// something has to permit the request too.

// maxBelow bounds, in bytes, the paths that rules lie below: each path names as many
// as it has segments.
const maxBelow = 16 << 20

// hostRules has, for each host as in hostIndex, the numbers of rules, in their order.
type hostRules map[string][]int

// addBelow enters a rule for each path that one of its own lies below. It fails if the
// index would become too large.
func (x *index) addBelow(number int, hosts []string, p path) error {
	for above, there := p.above(); there; above, there = (path{key: above}).above() {
		if x.size += (len(above) + 1) * len(hosts); x.size > maxBelow {
			return errors.New("the paths of the rules are too long: write fewer segments")
		}
		byHost := x.above[above]
		if byHost == nil {
			byHost = hostRules{}
			x.above[above] = byHost
		}
		for _, host := range hosts {
			if numbers := byHost[host]; len(numbers) == 0 || numbers[len(numbers)-1] != number {
				byHost[host] = append(numbers, number)
			}
		}
	}
	return nil
}

// above returns the key of the path that a path lies below: /a for /a/b, and for what
// is below /a. Nothing is above the root.
func (p path) above() (key string, there bool) {
	switch {
	case p.below:
		return p.key, true
	case p.key == "":
		return "", false
	}
	return p.key[:strings.LastIndexByte(p.key, '/')], true
}

// liesBelow reports whether a path lies below the one with a key.
func (p path) liesBelow(key string) bool {
	below, ok := strings.CutPrefix(p.key, key)
	return ok && (strings.HasPrefix(below, "/") || below == "" && p.below)
}

// place is something that a request acts on.
type place struct {
	host, path string
	elsewhere  bool // only rules that have paths judge it
}

// places returns what the request acts on.
func (q *Question) places() []place {
	f := &q.Request
	places := []place{{f.Host, f.PathFolded, false}}
	if f.DestinationPath != "" {
		places = append(places, place{f.DestinationHost, lower(f.DestinationPath), false})
	}
	for _, path := range q.elsewhere() {
		places = append(places, place{f.Host, path, true})
	}
	return places
}

// refusingBelow returns the first of the rules that decide below what the request acts
// on and do not permit it, or nil.
func (t *Table) refusingBelow(q *Question) *Rule {
	if !q.actsBelow() {
		return nil
	}
	lowest := len(t.rules)
	for _, at := range q.places() {
		byHost := t.index.above[keyOf(at.path)]
		for _, host := range t.index.forms(at.host) {
			for _, number := range byHost[host] {
				if number >= lowest {
					break
				}
				if t.refusesBelow(q, number, at) {
					lowest = number
				}
			}
		}
	}
	if lowest == len(t.rules) {
		return nil
	}
	return t.rules[lowest]
}

// refusesBelow reports whether a rule is the first for something below a place, and does
// not permit the request.
func (t *Table) refusesBelow(q *Question, number int, at place) bool {
	rule, key := t.rules[number], keyOf(at.path)
	if at.elsewhere && !rule.Named || rule.permits(q) {
		return false
	}
	return slices.ContainsFunc(rule.paths, func(own path) bool {
		return own.liesBelow(key) && t.index.find(at.host, own.form()) == number
	})
}

// actsBelow reports whether the request acts on everything below its path, by its own
// method or by one that an application may take instead.
func (q *Question) actsBelow() bool {
	if q.actingBelow(strings.ToUpper(q.Request.Method)) {
		return true
	}
	return slices.ContainsFunc(q.overriding(), q.actingBelow) || q.overrides.many
}

// actingBelow reports whether a method acts on everything below the path: always (RFC
// 4918, section 9.6, 9.8 and 9.9), unless its Depth is 0, or unless it is 0 or 1
// (sections 9.10.3 and 9.1), and REPORT by its Depth (RFC 3253, section 3.6).
func (q *Question) actingBelow(method string) bool {
	switch method {
	case http.MethodDelete, "COPY", "MOVE":
		return true
	case "LOCK":
		return q.depth() != "0"
	case "PROPFIND":
		return q.depth() != "0" && q.depth() != "1"
	case "REPORT":
		return q.depth() != "" && q.depth() != "0" && q.depth() != "1"
	}
	return false
}

// depth is the request's Depth; several lines are none of those that are told apart.
// It is asked once for each method, and takes nothing for a long header.
func (q *Question) depth() string {
	switch lines := q.Request.HeaderValues[depthHeader]; len(lines) {
	case 0:
		return ""
	case 1:
		return lines[0]
	}
	return "infinity"
}
