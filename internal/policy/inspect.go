package policy

import (
	"context"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/policyauth/caddy-policy-auth/internal/accesstable"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
)

// Snapshot is the policies that are in use at one time, for explanations. It does not
// change when newer ones are loaded.
type Snapshot struct {
	*snapshot
	// Decision is the rule that decides.
	Decision string
}

// Snapshot returns the policies that are in use.
func (s *Engine) Snapshot() Snapshot { return Snapshot{s.live.Load(), s.config.Decision} }

// Revision names the policies.
func (s Snapshot) Revision() string { return s.revision }

// ExplainTable says which rules of the access table count for an input document, nil
// without a table.
func (s Snapshot) ExplainTable(document ast.Value) (*accesstable.Explanation, error) {
	if s.table == nil {
		return nil, nil
	}
	question, err := questionOf(document)
	if err != nil {
		return nil, err
	}
	return s.table.Explain(question), nil
}

// TableOnly reports whether the access table decides by itself, without Rego.
func (s Snapshot) TableOnly() bool { return s.native }

// Compiler returns the compiler of the policies, nil if a table decides by itself.
func (s Snapshot) Compiler() *ast.Compiler { return s.compiler }

// Data returns the data of the policies.
func (s Snapshot) Data() ast.Value { return s.evaluator.data.root }

// Prepare prepares a query over the policies and their data.
func (s Snapshot) Prepare(ctx context.Context, query ast.Body) (rego.PreparedEvalQuery, error) {
	return rego.New(append(slices.Clip(s.rego), rego.ParsedQuery(query))...).PrepareForEval(ctx)
}

// EvalOptions returns the options with which the engine evaluates such a query until a
// time. Built-in functions that return the time return at, unless it is zero.
func (s Snapshot) EvalOptions(ctx context.Context, end, at time.Time) []rego.EvalOption {
	options := slices.Concat(s.options, []rego.EvalOption{rego.EvalExternalCancel(newLimit(ctx, end, end))})
	if !at.IsZero() {
		options = append(options, rego.EvalTime(at))
	}
	return options
}

// DecideDocument decides about an input document until a time, as at another time; zero is
// now. It returns the value of the decision as well, nil if it is undefined.
func (s Snapshot) DecideDocument(ctx context.Context, document ast.Value, end, at time.Time) (decision.Decision, ast.Value) {
	answer := s.decideAt(ctx, document, end, at)
	value := s.valueOf(answer)
	if refused := s.refuseDocument(document); refused != nil {
		answer = *refused
	}
	return answer, value
}

func (s *snapshot) decideAt(ctx context.Context, document ast.Value, end, at time.Time) (answer decision.Decision) {
	defer recovered(&answer)
	if s.native {
		return s.decideDocument(document)
	}
	run := s.evaluator.begin()
	value, err := run.evaluate(ctx, ast.NewTerm(document), span{end, end}, at)
	s.evaluator.end(run)
	if err != nil {
		return decision.Failed(withoutData(err))
	}
	return s.decode(value)
}
