package accesstable

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// index finds the first rule for a host and a path without asking each rule: from
// paths, and then hosts, to the lowest number of a rule that names both.
type index struct {
	exact map[string]hostIndex // by a path without its trailing slash
	below map[string]hostIndex // by what is below a path
	// depths are how many segments the paths in below have, sorted.
	depths []int
	// labels is the most dots of a domain in *.domain.
	labels int
	// hosts are all that rules name, but *.domain; domains are those.
	hosts, domains words
	pairs          int // of a host and a path
	// above has, by a path, the rules that lie below it; size counts its bytes.
	above map[string]hostRules
	size  int
}

// anyHost stands for every host.
const anyHost = ""

// hostIndex has the lowest number of a rule for each host, *.domain as .domain, and
// anyHost.
type hostIndex map[string]int

// maxEntries bounds what names and pairs may grow to: a file of a megabyte could
// name some 10^10 pairs of a host and a path.
const maxEntries = 100_000

// path is a path in a rule.
type path struct {
	key   string // as keyOf has it
	below bool   // it is meant with what is below
	depth int    // how many segments it has
}

// form returns the path as the data of caddy.access has it: /a/b/, or /a/b/*.
func (p path) form() string {
	if p.below {
		return p.key + "/*"
	}
	return p.key + "/"
}

func newIndex() *index {
	return &index{exact: map[string]hostIndex{}, below: map[string]hostIndex{}, above: map[string]hostRules{}, hosts: words{}, domains: words{}}
}

// add enters a rule, whose number is higher than those before. It fails if the index
// would become too large.
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

// addHost enters a host, or *.domain as .domain.
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

// find returns the number of the first rule that fits, or -1.
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

// lowest returns the lowest number among one found before, or -1, and those for a
// host.
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

// forms returns what the index may say of a host: itself, any, and *.domain.
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

// serves reports whether a rule names a host, or a domain that it is below.
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

// keyOf returns a path as the index has it: "/a/b" for /a/b and /a/b/, "" for the
// root. One that is no path, such as *, is one segment.
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

// lower returns a text in lower case, itself if it is.
func lower(text string) string {
	for i := range len(text) {
		if c := text[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return strings.ToLower(text)
		}
	}
	return text
}
