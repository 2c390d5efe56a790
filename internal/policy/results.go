package policy

import (
	"slices"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// results keeps what the rules have come to during one evaluation, so that none
// is evaluated twice. It implements topdown.VirtualCache like OPA's own, which
// makes two maps per step of a reference anew for each evaluation; this one is a
// single table that is used again by the next.
//
// It is a trie of references whose nodes stand in a slice. Node 0 is nobody's
// child and means none. Each frame has a root of its own, and all nodes of a frame
// stand behind those of the frames below it.
type results struct {
	nodes []result
	// children finds the latest of a node's children whose names have a hash.
	children map[step]int
	roots    []int // of the frames
	// steady are the rules whose results may be known, and new ones learnt: in the
	// first frame, since in the others input or data is another one.
	steady *steady
	known  []fact
	learnt []fact
}

// step leads from a node to its children whose names have the same hash.
type step struct{ parent, hash int }

// result is what is known of one reference.
type result struct {
	name      *ast.Term
	step      step
	next      int // another node with the same step
	value     *ast.Term
	undefined bool
}

// maxResults is how many nodes are kept room for.
const maxResults = 1 << 10

var resultsPool = sync.Pool{New: func() any { return &results{children: map[step]int{}} }}

// newResults returns one that is empty but for what is known of the steady rules,
// which may be nil. Call free when nothing evaluates with it anymore.
func newResults(rules *steady, known *memory) *results {
	r, _ := resultsPool.Get().(*results)
	if known != nil {
		r.steady, r.known = rules, known.facts
	}
	r.nodes = append(r.nodes, result{})
	r.Push()
	return r
}

// free gives it back, without anything of the evaluation.
func (r *results) free() {
	if len(r.nodes) > maxResults || cap(r.nodes) > maxResults {
		return
	}
	clear(r.nodes[:cap(r.nodes)])
	clear(r.children)
	clear(r.learnt)
	*r = results{nodes: r.nodes[:0], children: r.children, roots: r.roots[:0], learnt: r.learnt[:0]}
	resultsPool.Put(r)
}

// Push implements topdown.VirtualCache.
func (r *results) Push() {
	r.roots = append(r.roots, len(r.nodes))
	r.nodes = append(r.nodes, result{})
}

// Pop implements topdown.VirtualCache.
func (r *results) Pop() {
	root := r.root()
	for i := root + 1; i < len(r.nodes); i++ {
		delete(r.children, r.nodes[i].step) // all of a step are of one frame
	}
	clear(r.nodes[root:])
	r.nodes, r.roots = r.nodes[:root], r.roots[:len(r.roots)-1]
}

// Get implements topdown.VirtualCache.
func (r *results) Get(ref ast.Ref) (value *ast.Term, undefined bool) {
	node := r.root()
	for _, name := range ref {
		if node = r.child(step{node, name.Hash()}, name); node == 0 {
			return r.recall(ref)
		}
	}
	switch found := r.nodes[node]; {
	case found.undefined:
		return nil, true
	case found.value != nil:
		return found.value, false
	}
	return r.recall(ref)
}

// Put implements topdown.VirtualCache.
func (r *results) Put(ref ast.Ref, value *ast.Term) {
	node := r.root()
	for _, name := range ref {
		to := step{node, name.Hash()}
		if node = r.child(to, name); node == 0 {
			node = r.add(to, name)
		}
	}
	if value == nil {
		r.nodes[node].undefined = true
	} else {
		r.nodes[node].value = value
	}
	r.learn(ref, value)
}

// recall returns what is known of a steady rule.
func (r *results) recall(ref ast.Ref) (value *ast.Term, undefined bool) {
	if len(r.known) == 0 || len(r.roots) > 1 {
		return nil, false
	}
	number, ok := r.steady.number(ref)
	i := slices.IndexFunc(r.known, func(f fact) bool { return f.number == number })
	if !ok || i < 0 {
		return nil, false
	}
	return r.known[i].value, r.known[i].value == nil
}

// learn notes what a steady rule came to.
func (r *results) learn(ref ast.Ref, value *ast.Term) {
	if r.steady == nil || len(r.roots) > 1 {
		return
	}
	if number, ok := r.steady.number(ref); ok {
		r.learnt = append(r.learnt, fact{number, value})
	}
}

// Keys implements topdown.VirtualCache.
func (r *results) Keys() []ast.Ref {
	root := r.root()
	var keys []ast.Ref
	for i := root + 1; i < len(r.nodes); i++ {
		if r.nodes[i].value != nil {
			keys = append(keys, r.ref(i, root))
		}
	}
	return keys
}

// ref returns the reference of a node below a root.
func (r *results) ref(node, root int) ast.Ref {
	if node == root {
		return nil
	}
	return append(r.ref(r.nodes[node].step.parent, root), r.nodes[node].name)
}

// root returns the root of the current frame.
func (r *results) root() int { return r.roots[len(r.roots)-1] }

// child returns the node of a name, or 0.
func (r *results) child(to step, name *ast.Term) int {
	node := r.children[to]
	for node != 0 && !r.nodes[node].name.Equal(name) {
		node = r.nodes[node].next
	}
	return node
}

// add adds a node for a name that has none.
func (r *results) add(to step, name *ast.Term) int {
	node := len(r.nodes)
	r.nodes = append(r.nodes, result{name: name, step: to, next: r.children[to]})
	r.children[to] = node
	return node
}

// Interface guard.
var _ topdown.VirtualCache = (*results)(nil)
