package policy

import (
	"math/rand/v2"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// TestResults holds that what is kept of rules is what OPA's own cache keeps,
// over random uses, also by the next evaluation with the same room.
func TestResults(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	own := newResults()
	for range 20 {
		stock := topdown.NewVirtualCache()
		for depth := 0; depth >= 0; {
			ref := someRef(random)
			switch random.IntN(20) {
			case 0:
				own.Push()
				stock.Push()
				depth++
			case 1:
				if depth--; depth >= 0 {
					own.Pop()
					stock.Pop()
				}
			case 2, 3, 4:
				own.Put(ref, nil)
				stock.Put(ref, nil)
			case 5, 6, 7, 8, 9:
				value := ast.InternedTerm(random.IntN(100))
				own.Put(ref, value)
				stock.Put(ref, value)
			}
			value, undefined := own.Get(ref)
			if want, gone := stock.Get(ref); value != want || undefined != gone {
				t.Fatalf("%s: %v %v, want %v %v", ref, value, undefined, want, gone)
			}
			if got, want := refSet(own.Keys()), refSet(stock.Keys()); got.Compare(want) != 0 {
				t.Fatalf("keys %v, want %v", got, want)
			}
		}
		if !own.reset() {
			own = newResults()
		}
	}
}

// someRef returns a reference among few, whose names are of several types.
func someRef(random *rand.Rand) ast.Ref {
	names := []*ast.Term{
		ast.StringTerm("a"), ast.StringTerm("1"), ast.InternedTerm(1), ast.InternedTerm(true), ast.NullTerm(),
		ast.ArrayTerm(ast.StringTerm("a")), ast.ObjectTerm(ast.Item(ast.StringTerm("a"), ast.NullTerm())), ast.SetTerm(),
	}
	ref := ast.Ref{ast.DefaultRootDocument}
	for range random.IntN(4) {
		ref = append(ref, names[random.IntN(len(names))])
	}
	return ref
}

func refSet(refs []ast.Ref) ast.Set {
	set := ast.NewSet()
	for _, ref := range refs {
		set.Add(ast.NewTerm(ref))
	}
	return set
}

// TestResultsForget holds that room that was used before keeps nothing of it, and
// that much room is not kept.
func TestResultsForget(t *testing.T) {
	for _, size := range []int{1, maxResults + 1} {
		r := newResults()
		for i := range size {
			r.Put(ast.Ref{ast.DefaultRootDocument, ast.InternedTerm(i)}, ast.StringTerm("secret"))
		}
		if kept := r.reset(); kept != (size == 1) {
			t.Errorf("room for %d nodes is kept: %v", size, kept)
		}
		for _, node := range r.nodes[:cap(r.nodes)] {
			if size == 1 && node.value != nil {
				t.Errorf("%+v is kept", node)
			}
		}
	}
}
