package builtins

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// smallGraph bounds a graph, and what is done for the answer: the number of paths
// through twenty nodes can be as large as one likes.
func smallGraph(work func(graph ast.Object, from *ast.Term) int) operandLimit {
	return func(operands []*ast.Term) string {
		graph, ok := operands[0].Value.(ast.Object)
		if !ok {
			return "" // the function's own error
		}
		edges := 0
		graph.Foreach(func(_, to *ast.Term) { edges += countNodes(to) })
		switch {
		case edges > maxEdges:
			return fmt.Sprintf("the graph has more than %d edges", maxEdges)
		case work(graph, operands[1]) > maxPathWork:
			return fmt.Sprintf("the paths through the graph have more than %d nodes", maxPathWork)
		}
		return ""
	}
}

// countNodes returns how many nodes there are in an array or a set.
func countNodes(nodes *ast.Term) int {
	switch nodes.Value.(type) {
	case *ast.Array, ast.Set:
		return sizeOfCollection(nodes)
	}
	return 0
}

// untilNode calls f with each node of an array or a set until it returns true.
func untilNode(nodes *ast.Term, f func(*ast.Term) bool) bool {
	switch v := nodes.Value.(type) {
	case *ast.Array:
		return v.Until(f)
	case ast.Set:
		return v.Until(f)
	}
	return false
}

// visits counts how often graph.reachable looks at a node: once for each edge to
// it that it finds before the node's own turn, which is again and again where many
// lead to it. It stops counting at what is too much.
func visits(graph ast.Object, from *ast.Term) int {
	var queue []*ast.Term
	add := func(node *ast.Term) bool {
		queue = append(queue, node)
		return len(queue) > maxPathWork
	}
	untilNode(from, add)
	reached := ast.NewSet()
	for i := 0; i < len(queue) && len(queue) <= maxPathWork; i++ {
		if edges := graph.Get(queue[i]); edges != nil {
			untilNode(edges, func(node *ast.Term) bool { return !reached.Contains(node) && add(node) })
			reached.Add(queue[i])
		}
	}
	return len(queue)
}

// paths counts the nodes of all paths that graph.reachable_paths follows, as it
// does: the first step may lead back to where it began. It stops counting at what
// is too much.
func paths(graph ast.Object, from *ast.Term) int {
	walk := pathCounter{graph: graph, on: map[int][]*ast.Term{}}
	untilNode(from, func(root *ast.Term) bool {
		walk.nodes++
		return walk.from(root, func(next *ast.Term) bool { return walk.follow(next, 2) })
	})
	return walk.nodes
}

// pathCounter counts the nodes of paths without keeping any but the one it is on.
type pathCounter struct {
	graph ast.Object
	on    map[int][]*ast.Term // nodes of the path that it is on, by their hash
	nodes int
}

// from calls f with each node that a node leads to until it returns true.
func (p *pathCounter) from(node *ast.Term, f func(*ast.Term) bool) bool {
	edges := p.graph.Get(node)
	if edges == nil {
		return false
	}
	hash := node.Hash()
	p.on[hash] = append(p.on[hash], node)
	tooMany := untilNode(edges, f)
	p.on[hash] = p.on[hash][:len(p.on[hash])-1]
	return tooMany
}

// follow counts the paths that go on from a node; it returns true if there are too
// many.
func (p *pathCounter) follow(node *ast.Term, depth int) bool {
	p.nodes += depth
	return p.nodes > maxPathWork || p.from(node, func(next *ast.Term) bool {
		if !p.isOn(next) {
			return p.follow(next, depth+1)
		}
		p.nodes += depth // a circle ends the path here
		return p.nodes > maxPathWork
	})
}

// isOn reports whether a node is on the path already.
func (p *pathCounter) isOn(node *ast.Term) bool {
	for _, other := range p.on[node.Hash()] {
		if other.Equal(node) {
			return true
		}
	}
	return false
}
