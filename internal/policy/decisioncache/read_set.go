package decisioncache

import (
	"maps"
	"slices"
	"strings"
)

// ReadSet is the set of input fields that evaluating a decision may read: dotted prefixes
// such as request.path, below which everything counts as read. "" is the whole input.
// A field counts as read unless the rules show that it is not.
type ReadSet map[string]bool

// Reads reports whether what is at a dotted path, or something below it, may be read.
func (r ReadSet) Reads(path string) bool {
	for prefix := range r {
		if prefix == "" || prefix == path || strings.HasPrefix(prefix, path+".") || strings.HasPrefix(path, prefix+".") {
			return true
		}
	}
	return false
}

// Members returns, sorted, the names of the members of an object that may be read, or nil
// if it may be read as a whole.
func (r ReadSet) Members(path string) []string {
	names := map[string]bool{}
	for prefix := range r {
		if prefix == "" || prefix == path || strings.HasPrefix(path, prefix+".") {
			return nil
		}
		if rest, ok := strings.CutPrefix(prefix, path+"."); ok {
			name, _, _ := strings.Cut(rest, ".")
			names[name] = true
		}
	}
	if len(names) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(names))
}

// Names returns the prefixes, sorted. The whole input is "input".
func (r ReadSet) Names() []string {
	if r[""] {
		return []string{"input"}
	}
	return slices.Sorted(maps.Keys(r))
}
