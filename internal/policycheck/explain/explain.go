// Package explain says why a Rego decision is what it is: which rules were
// tried, which of their conditions held, and which rule came nearest to
// allowing. It is pure: compiled rules and an input go in, an explanation in
// the words of the source comes out.
//
// It evaluates with a tracer, which costs many times what a decision costs, and
// so is never on the way of a request.
package explain

import (
	"context"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

// Policies are compiled rules of which one decides.
type Policies struct {
	// Compiler holds the rules.
	Compiler *ast.Compiler
	// Query asks for the rule that decides.
	Query rego.PreparedEvalQuery
	// Data is what the rules read as data.
	Data *ast.Term
	// Prepare makes ready another query over the rules and their data.
	Prepare func(ctx context.Context, query ast.Body) (rego.PreparedEvalQuery, error)
}

// Evaluation is how an evaluation of the decision went. Its lists are never nil.
type Evaluation struct {
	// Rules are the definitions of the decision that were tried, in the order in
	// which they were.
	Rules []Rule `json:"rules"`
	// Nearest is what stands in the way of an allow in the rule that came nearest
	// to it; nil if the decision allows, or if no rule could.
	Nearest *Nearest `json:"nearest"`
	// Cut says that so much was evaluated that not all of it is here.
	Cut bool `json:"cut,omitempty"`
}

// Rule is one definition of a rule, as it was tried.
type Rule struct {
	// Name is the rule's, such as caddy.authz.allow.
	Name string `json:"rule"`
	// At is where it stands, file:line.
	At string `json:"at"`
	// Holds says that all of its conditions do.
	Holds bool `json:"holds"`
	// Default says that it counts where no other definition holds.
	Default bool `json:"default,omitempty"`
	// Value is what it comes to where it holds.
	Value *Value `json:"value,omitempty"`
	// Conditions are in the order of the source.
	Conditions []Condition `json:"conditions"`
}

// Outcome is what became of a condition.
type Outcome string

// The outcomes of a condition.
const (
	Holds     Outcome = "holds"
	Fails     Outcome = "fails"
	Broken    Outcome = "error"     // a built-in function failed
	Unreached Outcome = "unreached" // one before it fails
)

// Condition is one condition of a rule, as it stands in the source.
type Condition struct {
	// At is where it stands, file:line.
	At string `json:"at"`
	// Text is its source.
	Text string `json:"text"`
	// Outcome is what became of it.
	Outcome Outcome `json:"outcome"`
	// Values are those of what it refers to, unless it holds.
	Values []Named `json:"values,omitempty"`
	// Rules are those that it asks, unless they stand elsewhere in the
	// explanation.
	Rules []Rule `json:"rules,omitempty"`
}

// Named is what something in a condition stood for when it failed.
type Named struct {
	Name  string `json:"name"`
	Value Value  `json:"value"`
}

// Nearest is what stands in the way of an allow.
type Nearest struct {
	// Rule is the definition of the decision that came nearest.
	Rule string `json:"rule"`
	At   string `json:"at"`
	// Missing is how many of its conditions do not hold, each by itself; those that
	// cannot be judged by themselves count.
	Missing int `json:"missing"`
	// Through leads from that rule to the condition: each is a condition that
	// fails because of the next.
	Through []Condition `json:"through"`
	// Condition is the one to look at.
	Condition Condition `json:"condition"`
	// Because are the rules that hold and had better not.
	Because []Rule `json:"because,omitempty"`
}

// Run evaluates the decision once for an input and explains how that went. Options
// are those of the evaluation, beside its tracer; allowed says whether the
// decision allows. An error of the evaluation is part of the explanation.
func Run(ctx context.Context, p Policies, input ast.Value, allowed bool, options ...rego.EvalOption) Evaluation {
	t := p.trace(ctx, input, options)
	result := Evaluation{Rules: t.describeAll(t.root.asked(), 0), Cut: t.full}
	if !allowed {
		result.Nearest = finder{trail: t, ctx: ctx, policies: p, input: input, options: options, known: map[*attempt]int{}}.find()
	}
	return result
}

// trace evaluates the decision with a tracer. All definitions are tried, also
// those that an index would pass over, unless one of these breaks something that
// the decision itself would not come to.
func (p Policies) trace(ctx context.Context, input ast.Value, options []rego.EvalOption) *trail {
	run := func(more ...rego.EvalOption) (*trail, error) {
		t := newTrail(p)
		all := append(append(slices.Clip(options), rego.EvalParsedInput(input), rego.EvalQueryTracer(t)), more...)
		_, err := p.Query.Eval(ctx, all...)
		if err != nil {
			t.breakOff()
		}
		return t, err
	}
	if t, err := run(rego.EvalRuleIndexing(false)); err == nil {
		return t
	}
	t, _ := run()
	return t
}
