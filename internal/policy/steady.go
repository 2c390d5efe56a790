package policy

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// steady are the rules that come to the same for a caller whatever is asked: all
// that they read of input is who is calling, from where, and the constants. What
// they came to is remembered (memories), so that a caller's next request
// evaluates only what depends on it.
type steady struct {
	rules  map[int][]steadyRule // by the hashes of their paths
	client bool                 // whether any of them reads where a request comes from
}

// steadyRule is one of them: all rules of one path.
type steadyRule struct {
	path   ast.Ref
	number int
}

const (
	// maxSteady is how many there are at most.
	maxSteady = 64
	// maxWalked is how many rules are looked at to find them, each as often as it is
	// reached: some tenths of a second's worth.
	maxWalked = 1 << 14
)

// steadyInput are the parts of input that they may read.
var steadyInput = []string{"contract", "identity", "client", "config"}

// findSteady finds them among the rules that a decision reaches.
func findSteady(compiler *ast.Compiler, reached map[*ast.Rule]bool) *steady {
	s := &steady{rules: map[int][]steadyRule{}}
	count, walked := 0, 0
	for _, path := range steadyCandidates(compiler, reached) {
		if count == maxSteady || walked > maxWalked {
			break
		}
		found := inspect(compiler, path)
		if walked += len(found.rules); !found.steady() {
			continue
		}
		hash := hashOf(path)
		s.rules[hash] = append(s.rules[hash], steadyRule{path, count})
		s.client = s.client || found.reads.reads("client")
		count++
	}
	return s
}

// steadyCandidates returns the paths of rules that have one value, in some order
// that is always the same: those of functions and of objects whose members are
// rules of their own have many. Paths are names alone, since numbers that are
// equal may be written in several ways, each with rules of its own.
func steadyCandidates(compiler *ast.Compiler, reached map[*ast.Rule]bool) []ast.Ref {
	var paths []ast.Ref
	for rule := range reached {
		path := rule.Ref()
		if len(rule.Head.Args) > 0 || len(constantPrefix(path[1:])) < len(path)-1 {
			continue
		}
		if node := compiler.RuleTree.Find(path); node != nil && len(node.Children) == 0 {
			paths = append(paths, path)
		}
	}
	slices.SortFunc(paths, func(a, b ast.Ref) int { return a.Compare(b) })
	return slices.CompactFunc(paths, func(a, b ast.Ref) bool { return a.Equal(b) })
}

// steady reports whether what was found depends on nothing but steadyInput.
func (f *findings) steady() bool {
	for path := range f.reads {
		section, _, _ := strings.Cut(path, ".")
		if !slices.Contains(steadyInput, section) {
			return false
		}
	}
	return len(f.unsure()) == 0
}

// hashOf combines the hashes of a path's names.
func hashOf(path ast.Ref) int {
	hash := 0
	for _, name := range path {
		hash = hash*31 + name.Hash()
	}
	return hash
}

// number returns the number of the steady rules of a path, if they are.
func (s *steady) number(path ast.Ref) (number int, ok bool) {
	for _, rule := range s.rules[hashOf(path)] {
		if rule.path.Equal(path) {
			return rule.number, true
		}
	}
	return 0, false
}
