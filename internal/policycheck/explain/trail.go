package explain

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// maxAttempts bounds how many evaluations of rules and closures are kept, and
// maxSteps those of their expressions that failed with other values.
const (
	maxAttempts = 20_000
	maxTries    = 3
)

// trail is what an evaluation left behind. It implements topdown.QueryTracer.
type trail struct {
	compiler *ast.Compiler
	data     *ast.Term
	root     *attempt
	byQuery  map[uint64]*attempt
	byRule   map[*ast.Rule][]*attempt
	last     *attempt // that evaluated something
	count    int
	full     bool
}

// attempt is one evaluation of a definition of a rule, or of a closure: what is
// negated, what every wants, a comprehension.
type attempt struct {
	rule    *ast.Rule // nil for a closure
	steps   map[*ast.Expr]*step
	order   []*step // as first evaluated
	current *step
	reached int // the index of the furthest expression that was evaluated
	held    bool
	broken  bool // by an error at the expression reached
	value   *ast.Term
}

// step is one expression as an attempt evaluated it.
type step struct {
	expr  *ast.Expr
	asked []*attempt
	tries [][]Named // values with which it failed
}

func newTrail(p Policies) *trail {
	root := newAttempt(nil)
	return &trail{compiler: p.Compiler, data: p.Data, root: root, byQuery: map[uint64]*attempt{}, byRule: map[*ast.Rule][]*attempt{}, last: root}
}

func newAttempt(rule *ast.Rule) *attempt {
	return &attempt{rule: rule, steps: map[*ast.Expr]*step{}, reached: -1}
}

// Enabled implements topdown.QueryTracer.
func (t *trail) Enabled() bool { return true }

// Config implements topdown.QueryTracer.
func (t *trail) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent implements topdown.QueryTracer.
func (t *trail) TraceEvent(event topdown.Event) {
	if event.Op == topdown.EnterOp {
		t.enter(event)
		return
	}
	a := t.byQuery[event.QueryID]
	if a == nil {
		return
	}
	switch event.Op {
	case topdown.EvalOp:
		t.last = a
		a.eval(event.Node)
	case topdown.RedoOp:
		if expr, ok := event.Node.(*ast.Expr); ok && a.steps[expr] != nil {
			a.current = a.steps[expr]
		}
	case topdown.ExitOp:
		a.exit(event)
	case topdown.FailOp:
		t.fail(a, event)
	}
}

// enter begins an attempt, which the current step of the one above asked for.
func (t *trail) enter(event topdown.Event) {
	if len(t.byQuery) == 0 {
		t.byQuery[event.QueryID] = t.root
		return
	}
	parent := t.byQuery[event.ParentID]
	if parent == nil || parent.current == nil || t.full {
		return
	}
	if t.count++; t.count > maxAttempts {
		t.full = true
		return
	}
	rule, _ := event.Node.(*ast.Rule)
	a := newAttempt(rule)
	t.byQuery[event.QueryID] = a
	parent.current.asked = append(parent.current.asked, a)
	if rule != nil {
		t.byRule[rule] = append(t.byRule[rule], a)
	}
}

// eval notes that an expression is evaluated.
func (a *attempt) eval(node ast.Node) {
	expr, ok := node.(*ast.Expr)
	if !ok {
		return
	}
	s := a.steps[expr]
	if s == nil {
		s = &step{expr: expr}
		a.steps[expr] = s
		a.order = append(a.order, s)
	}
	a.current = s
	a.reached = max(a.reached, expr.Index)
}

// exit notes that all of an attempt holds.
func (a *attempt) exit(event topdown.Event) {
	a.held = true
	if a.rule == nil {
		return
	}
	head := a.rule.Head.Value
	if a.rule.Head.Key != nil && a.rule.Head.RuleKind() == ast.MultiValue {
		head = a.rule.Head.Key
	}
	if head != nil {
		a.value = event.Plug(head)
	}
}

// fail notes with which values an expression failed.
func (t *trail) fail(a *attempt, event topdown.Event) {
	expr, ok := event.Node.(*ast.Expr)
	if !ok || a.steps[expr] == nil {
		return
	}
	s := a.steps[expr]
	if len(s.tries) < maxTries {
		s.tries = append(s.tries, reader{t, event, a}.values(expr))
	}
}

// breakOff notes that an error ended the evaluation at what was evaluated last.
func (t *trail) breakOff() { t.last.broken = true }

// asked returns the rules that an attempt's expressions asked for.
func (a *attempt) asked() []*attempt {
	var all []*attempt
	for _, s := range a.order {
		all = append(all, s.rules()...)
	}
	return all
}

// rules returns the evaluations of rules that a step asked for, also those that
// a closure of its did.
func (s *step) rules() []*attempt {
	var all []*attempt
	for _, a := range s.asked {
		if a.rule != nil {
			all = append(all, a)
			continue
		}
		all = append(all, a.asked()...)
	}
	return all
}
