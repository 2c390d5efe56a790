package builtins

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// TestN15Graphs: what is counted of a graph is what OPA's functions do with it.
func TestN15Graphs(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		graph := map[string]any{}
		nodes := 1 + random.IntN(6)
		for i := range nodes {
			edges := []any{}
			for range random.IntN(4) {
				edges = append(edges, strconv.Itoa(random.IntN(nodes+1)))
			}
			graph[strconv.Itoa(i)] = edges
		}
		operands := []*ast.Term{ast.NewTerm(ast.MustInterfaceToValue(graph)), ast.ArrayTerm(ast.StringTerm("0"))}
		object := operands[0].Value.(ast.Object)
		var found []*ast.Term
		if err := topdown.GetBuiltin("graph.reachable_paths")(topdown.BuiltinContext{}, operands, func(result *ast.Term) error {
			found = result.Value.(ast.Set).Slice()
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		nodesFound := 0
		for _, path := range found {
			nodesFound += path.Value.(*ast.Array).Len()
		}
		if counted := paths(object, operands[1]); counted < nodesFound {
			t.Fatalf("%v: %d counted, %d nodes in the paths", operands[0], counted, nodesFound)
		}
		if counted := visits(object, operands[1]); counted < 1 {
			t.Fatalf("%v: %d visits", operands[0], counted)
		}
	}
}

// layers returns a graph of layers of nodes in which each one leads to all of the
// next layer, and perhaps a chain of nodes after the first one.
func layers(count, width int, chain ...any) map[string]any {
	graph := map[string]any{}
	for layer := range count {
		for node := range width {
			var next []any
			for other := range width {
				if layer+1 < count {
					next = append(next, fmt.Sprintf("%d-%d", layer+1, other))
				}
			}
			graph[fmt.Sprintf("%d-%d", layer, node)] = append([]any{}, next...)
		}
	}
	if len(chain) > 0 {
		graph["0-0"] = []any{"c0"}
		for i := range chain[1].(int) {
			graph[fmt.Sprintf("c%d", i)] = []any{fmt.Sprintf("c%d", i+1)}
		}
	}
	return graph
}
