package counterexample

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// trace is what became of the conditions and the rules in one evaluation.
type trace struct {
	ours   map[*ast.Expr]bool // the conditions of the policies
	asked  []*ast.Expr        // in the order of their first evaluation
	times  map[*ast.Expr]int  // evaluations of a condition
	failed map[*ast.Expr]int  // and how many of them failed
	held   []*ast.Rule        // in the order in which they were done
}

// trace evaluates an input again and listens.
func (s *search) trace(input map[string]any) *trace {
	t := &trace{ours: map[*ast.Expr]bool{}, times: map[*ast.Expr]int{}, failed: map[*ast.Expr]int{}}
	for _, rule := range s.rules {
		conditions(rule, func(e *ast.Expr) { t.ours[e] = true })
	}
	if value, err := ast.InterfaceToValue(input); err == nil {
		s.Ask(s.ctx, value, t)
	}
	return t
}

// Enabled implements topdown.QueryTracer.
func (t *trace) Enabled() bool { return true }

// Config implements topdown.QueryTracer.
func (t *trace) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent implements topdown.QueryTracer.
func (t *trace) TraceEvent(event topdown.Event) {
	switch node := event.Node.(type) {
	case *ast.Rule:
		if event.Op == topdown.ExitOp {
			t.held = append(t.held, node)
		}
	case *ast.Expr:
		switch {
		case !t.ours[node]: // what is under a not is made for each evaluation
		case event.Op == topdown.EvalOp:
			if t.times[node] == 0 {
				t.asked = append(t.asked, node)
			}
			t.times[node]++
		case event.Op == topdown.FailOp:
			t.failed[node]++
		}
	}
}

// holds reports whether a condition held at least once.
func (t *trace) holds(e *ast.Expr) bool { return t.times[e] > t.failed[e] }

// has reports whether a rule held.
func (t *trace) has(rule *ast.Rule) bool { return slices.Contains(t.held, rule) }

// pivot is where two evaluations part.
type pivot struct {
	at   *ast.Location // the condition that holds, or the rule that does not any more
	text string
	not  bool
	lost *ast.Rule // the rule that does not hold any more, if there is one
}

// part finds where an evaluation that allows left one that refuses: at the
// innermost condition that failed and holds now, else at the first that was not
// even asked, else at a rule that does not hold any more.
func part(before, after *trace) pivot {
	var p pivot
	for _, rule := range before.held {
		if !after.has(rule) {
			p.lost = rule
			break
		}
	}
	condition := turned(before, after)
	switch {
	case condition != nil:
		p.at, p.text, p.not = condition.Location, source(condition.Location), negated(condition)
	case p.lost != nil:
		p.at, p.text = p.lost.Location, source(p.lost.Location)
	case len(after.held) > 0:
		last := after.held[len(after.held)-1]
		p.at, p.text = last.Location, source(last.Location)
	}
	return p
}

// turned returns the condition that holds now and did not, nil if there is none.
func turned(before, after *trace) *ast.Expr {
	var innermost, first *ast.Expr
	for _, e := range after.asked {
		switch {
		case !after.holds(e) || before.holds(e):
		case before.times[e] > 0:
			innermost = e
		case first == nil && !trivial(e):
			first = e
		}
	}
	if innermost != nil {
		return innermost
	}
	return first
}

// trivial reports whether an expression only gives a name to something, or is
// the body of a rule that has none.
func trivial(e *ast.Expr) bool {
	_, constant := e.Terms.(*ast.Term)
	return e.Generated || constant && source(e.Location) == "true" || !e.Location.HasFile() || len(e.Location.Text) == 0
}

// negated reports whether a condition is a not, or was taken out of one.
func negated(e *ast.Expr) bool {
	_, not := e.Terms.(*ast.Not)
	return not || e.Negated || strings.HasPrefix(source(e.Location), "not ")
}

// source returns the first line of what stands at a place.
func source(l *ast.Location) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(l.Text)), "\n")
	return strings.TrimSpace(line)
}
