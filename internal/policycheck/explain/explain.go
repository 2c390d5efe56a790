// Package explain explains Rego decisions: which rules were tried, which of their
// conditions held, and which rule is nearest to an allow. Run is a pure function of
// compiled rules and an input; the explanation quotes the source of the policies.
//
// It evaluates with a tracer, which takes many times longer than a decision, so requests
// never use it.
package explain

import (
	"context"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

// Policies are compiled rules of which one decides.
type Policies struct {
	// Compiler has the compiled rules.
	Compiler *ast.Compiler
	// Query is the prepared query of the decision.
	Query rego.PreparedEvalQuery
	// Data is the data document.
	Data *ast.Term
	// Prepare prepares another query for the same rules and data.
	Prepare func(ctx context.Context, query ast.Body) (rego.PreparedEvalQuery, error)
}

// Evaluation is the course of an evaluation. Its lists are never nil.
type Evaluation struct {
	// Rules are the definitions of the decision that were tried, in the order of
	// evaluation.
	Rules []Rule `json:"rules"`
	// Nearest is the condition that prevents an allow in the nearest rule; nil if the
	// decision allows, or if no rule can allow.
	Nearest *Nearest `json:"nearest"`
	// Cut is true if the evaluation was too large to be shown completely.
	Cut bool `json:"cut,omitempty"`
}

// Rule is one definition of a rule, as it was tried.
type Rule struct {
	// Name is the name of the rule, such as caddy.authz.allow.
	Name string `json:"rule"`
	// At is its position, file:line.
	At string `json:"at"`
	// Holds is true if all of its conditions hold.
	Holds bool `json:"holds"`
	// Default is true for a default definition, which applies if no other one holds.
	Default bool `json:"default,omitempty"`
	// Value is its value if it holds.
	Value *Value `json:"value,omitempty"`
	// Conditions are in the order of the source.
	Conditions []Condition `json:"conditions"`
}

// Outcome is the result of a condition.
type Outcome string

// The outcomes of a condition.
const (
	Holds     Outcome = "holds"
	Fails     Outcome = "fails"
	Broken    Outcome = "error"     // a built-in function failed
	Unreached Outcome = "unreached" // one before it fails
)

// Condition is a condition of a rule.
type Condition struct {
	// At is its position, file:line.
	At string `json:"at"`
	// Text is its source.
	Text string `json:"text"`
	// Outcome is its result.
	Outcome Outcome `json:"outcome"`
	// Values are the values that it refers to, unless it holds.
	Values []Named `json:"values,omitempty"`
	// Rules are the rules that it reads, unless they are elsewhere in the explanation.
	Rules []Rule `json:"rules,omitempty"`
}

// Named is the value of a part of a condition when the condition failed.
type Named struct {
	Name  string `json:"name"`
	Value Value  `json:"value"`
}

// Nearest is the condition that prevents an allow.
type Nearest struct {
	// Rule is the nearest definition of the decision.
	Rule string `json:"rule"`
	At   string `json:"at"`
	// Missing is the number of its conditions that fail when each is evaluated by itself;
	// those that cannot be evaluated by themselves count as failed.
	Missing int `json:"missing"`
	// Through are the conditions between that rule and Condition: each fails because of the
	// next.
	Through []Condition `json:"through"`
	// Condition is the condition that fails.
	Condition Condition `json:"condition"`
	// Because are the rules that hold and must not hold.
	Because []Rule `json:"because,omitempty"`
}

// Run evaluates the decision once for an input and explains the evaluation. Options are
// options of the evaluation besides the tracer; allowed says whether the decision allows.
// An error of the evaluation is part of the explanation.
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
