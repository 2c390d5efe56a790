package policy

import (
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

// maxResults is how many nodes are kept for reuse.
const maxResults = 1 << 10

// newResults returns one that is empty.
func newResults() *results {
	r := &results{children: map[step]int{}}
	r.reset()
	return r
}

// reset removes all results. It returns false if there are too many nodes to be reused.
func (r *results) reset() bool {
	if cap(r.nodes) > maxResults {
		return false
	}
	clear(r.nodes)
	clear(r.children)
	*r = results{nodes: append(r.nodes[:0], result{}), children: r.children, roots: r.roots[:0]}
	r.Push()
	return true
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
			return nil, false
		}
	}
	if r.nodes[node].undefined {
		return nil, true
	}
	return r.nodes[node].value, false
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
