package accesstable

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// index finds the first rule for a host and a path without comparing each rule: it maps
// paths, and then hosts, to the lowest number of a rule that has both.
type index struct {
	exact map[string]hostIndex // by paths without their trailing slash
	below map[string]hostIndex // by a in a/*
	// depths are the numbers of segments of the paths in below, sorted.
	depths []int
	// labels is the maximum number of dots in a domain of *.domain.
	labels int
	// hosts are all hosts of rules without wildcard; domains are those of *.domain.
	hosts, domains words
	pairs          int // the number of pairs of a host and a path
	// above maps a path to the rules for paths below it; size is the total length of
	// its keys, in bytes.
	above map[string]hostRules
	size  int
}

// anyHost matches every host.
const anyHost = ""

// hostIndex maps a host to the lowest number of a rule. *.domain is .domain; every host
// is anyHost.
type hostIndex map[string]int

// maxEntries is the maximum number of pairs of a host and a path, and of networks after
// names are replaced: a file of one megabyte could have some 10^10 pairs.
const maxEntries = 100_000

// path is a path in a rule.
type path struct {
	key   string // as keyOf returns it
	below bool   // with everything below it
	depth int    // the number of segments
}

// form returns the path as in the data of caddy.access: /a/b/, or /a/b/*.
func (p path) form() string {
	if p.below {
		return p.key + "/*"
	}
	return p.key + "/"
}

func newIndex() *index {
	return &index{exact: map[string]hostIndex{}, below: map[string]hostIndex{}, above: map[string]hostRules{}, hosts: words{}, domains: words{}}
}

// add adds a rule, whose number must be higher than all before. It fails if the index
// becomes too large.
func (x *index) add(number int, hosts []string, paths []path) error {
	if x.pairs += len(hosts) * len(paths); x.pairs > maxEntries {
		return fmt.Errorf("the rules have more than %d pairs of a host and a path", maxEntries)
	}
	for _, host := range hosts {
		x.addHost(host)
	}
	for _, p := range paths {
		byPath := x.exact
		if p.below {
			byPath = x.below
			x.addDepth(p.depth)
		}
		byHost := byPath[p.key]
		if byHost == nil {
			byHost = hostIndex{}
			byPath[p.key] = byHost
		}
		for _, host := range hosts {
			if _, earlier := byHost[host]; !earlier {
				byHost[host] = number
			}
		}
		if err := x.addBelow(number, hosts, p); err != nil {
			return err
		}
	}
	return nil
}

func (x *index) addDepth(depth int) {
	if at, found := slices.BinarySearch(x.depths, depth); !found {
		x.depths = slices.Insert(x.depths, at, depth)
	}
}

// addHost adds a host; *.domain is .domain.
func (x *index) addHost(host string) {
	switch {
	case host == anyHost:
	case strings.HasPrefix(host, "."):
		x.domains[host] = struct{}{}
		x.labels = max(x.labels, strings.Count(host, "."))
	default:
		x.hosts[host] = struct{}{}
	}
}

// find returns the number of the first rule that matches a host and a path, or -1.
func (x *index) find(host, path string) int {
	key, number := keyOf(path), -1
	if byHost, ok := x.exact[key]; ok {
		number = x.lowest(number, byHost, host)
	}
	end, at := 0, 0
	for _, depth := range x.depths {
		for ; at < depth && end < len(key); at++ {
			if next := strings.IndexByte(key[end+1:], '/'); next >= 0 {
				end += 1 + next
			} else {
				end = len(key)
			}
		}
		if at < depth {
			break
		}
		if byHost, ok := x.below[key[:end]]; ok {
			number = x.lowest(number, byHost, host)
		}
	}
	return number
}

// lowest returns the lowest of number, unless it is -1, and of the numbers for a host.
func (x *index) lowest(number int, byHost hostIndex, host string) int {
	take := func(key string) {
		if n, ok := byHost[key]; ok && (number < 0 || n < number) {
			number = n
		}
	}
	take(anyHost)
	if host == "" {
		return number
	}
	take(host)
	for end, dots := len(host), 0; dots < x.labels; dots++ {
		if end = strings.LastIndexByte(host[:end], '.'); end < 0 {
			break
		}
		take(host[end:])
	}
	return number
}

// forms returns the keys that match a host: anyHost, the host itself, and *.domain.
func (x *index) forms(host string) []string {
	forms := []string{anyHost, host}
	for end, dots := len(host), 0; dots < x.labels; dots++ {
		if end = strings.LastIndexByte(host[:end], '.'); end < 0 {
			break
		}
		forms = append(forms, host[end:])
	}
	return forms
}

// serves reports whether a rule has a host, or *.domain of one of its domains.
func (x *index) serves(host string) bool {
	if x.hosts.has(host) {
		return true
	}
	for end, dots := len(host), 0; dots < x.labels; dots++ {
		if end = strings.LastIndexByte(host[:end], '.'); end < 0 {
			break
		}
		if x.domains.has(host[end:]) {
			return true
		}
	}
	return false
}

// keyOf returns the key of a path: "/a/b" for /a/b and /a/b/, "" for the root. A path
// that does not begin with a slash, such as *, gets one.
func keyOf(path string) string {
	if path == "/" {
		return ""
	}
	key := strings.TrimSuffix(path, "/")
	if key == "" || key[0] == '/' {
		return key
	}
	return "/" + key
}

// lower returns a text in lower case, without allocating if it is already.
func lower(text string) string {
	for i := range len(text) {
		if c := text[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return strings.ToLower(text)
		}
	}
	return text
}
