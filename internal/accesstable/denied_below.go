package accesstable

import (
	"errors"
	"net/http"
	"slices"
	"strings"
)

// Some methods act on everything below a path. Then each rule that decides about a path
// below must permit the request too.

// maxBelow is the maximum total length of the keys of index.above, in bytes. A path of n
// segments adds n keys.
const maxBelow = 16 << 20

// hostRules maps a host, as in hostIndex, to the numbers of rules in ascending order.
type hostRules map[string][]int

// addBelow adds a rule to each path that p lies below. It fails if the index becomes too
// large.
func (x *index) addBelow(number int, hosts []string, p path) error {
	for above, there := p.above(); there; above, there = (path{key: above}).above() {
		if x.size += (len(above) + 1) * len(hosts); x.size > maxBelow {
			return errors.New("the paths of the rules have too many segments in total; write fewer or shorter paths")
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

// above returns the key of the path that p lies below: /a for /a/b and for /a/*. There is
// none for the root.
func (p path) above() (key string, there bool) {
	switch {
	case p.below:
		return p.key, true
	case p.key == "":
		return "", false
	}
	return p.key[:strings.LastIndexByte(p.key, '/')], true
}

// liesBelow reports whether p lies below the path with a key.
func (p path) liesBelow(key string) bool {
	below, ok := strings.CutPrefix(p.key, key)
	return ok && (strings.HasPrefix(below, "/") || below == "" && p.below)
}

// target is a path that a request acts on, with its host.
type target struct {
	host, path string
	elsewhere  bool // only rules that have paths decide about it
}

// targets returns the paths that the request acts on.
func (q *Question) targets() []target {
	f := &q.Request
	targets := []target{{f.Host, f.PathFolded, false}}
	if f.DestinationPath != "" {
		targets = append(targets, target{f.DestinationHost, lower(f.DestinationPath), false})
	}
	for _, path := range q.elsewhere() {
		targets = append(targets, target{f.Host, path, true})
	}
	return targets
}

// denyingBelow returns the first rule that decides about a path below the targets of the
// request and does not permit it, or nil.
func (t *Table) denyingBelow(q *Question) *Rule {
	if !q.actsBelow() {
		return nil
	}
	lowest := len(t.rules)
	for _, at := range q.targets() {
		byHost := t.index.above[keyOf(at.path)]
		for _, host := range t.index.forms(at.host) {
			for _, number := range byHost[host] {
				if number >= lowest {
					break
				}
				if t.deniesBelow(q, number, at) {
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

// deniesBelow reports whether a rule decides about a path below a target, and does not
// permit the request.
func (t *Table) deniesBelow(q *Question, number int, at target) bool {
	rule, key := t.rules[number], keyOf(at.path)
	if at.elsewhere && !rule.Named || rule.permits(q) {
		return false
	}
	return slices.ContainsFunc(rule.paths, func(own path) bool {
		return own.liesBelow(key) && t.index.find(at.host, own.form()) == number
	})
}

// actsBelow reports whether the request acts on everything below its path, by its own
// method or by one that an application may use instead.
func (q *Question) actsBelow() bool {
	if q.actingBelow(strings.ToUpper(q.Request.Method)) {
		return true
	}
	return slices.ContainsFunc(q.overriding(), q.actingBelow) || q.overrides.many
}

// actingBelow reports whether a method acts on everything below the path. DELETE, COPY
// and MOVE do (RFC 4918, sections 9.6, 9.8 and 9.9), LOCK unless its Depth is 0 (section
// 9.10.3), PROPFIND unless it is 0 or 1 (section 9.1), and REPORT if it is another one
// (RFC 3253, section 3.6).
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

// depth returns the Depth header. Several lines count as infinity. It does not allocate,
// because it is called for each method that the request names.
func (q *Question) depth() string {
	switch lines := q.Request.HeaderValues[depthHeader]; len(lines) {
	case 0:
		return ""
	case 1:
		return lines[0]
	}
	return "infinity"
}
