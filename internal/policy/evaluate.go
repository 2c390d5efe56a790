package policy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// Input is what a decision is about.
type Input struct {
	// Request is the request in all its readings.
	Request *request.Request
	// Identity is the caller.
	Identity *identity.Identity
	// Failure says why ambient credentials were not accepted, or "".
	Failure identity.Reason
	// Config holds the operator's constants.
	Config *Constants
}

// Constants are an operator's constants, ready for every request. Call NewConstants.
type Constants struct {
	values map[string]any
	term   *ast.Term
}

// NewConstants returns the constants for a JSON object; nil is an empty one.
func NewConstants(values map[string]any) *Constants {
	if values == nil {
		values = map[string]any{}
	}
	return &Constants{values: values, term: valueTerm(values)}
}

// Decide asks the policies about each reading of the request's path. All must
// allow; the first that does not is the answer. What the readings' decisions
// want done to an allowed request must be the same, or it is an error.
func (s *Set) Decide(ctx context.Context, in Input) Decision {
	current := s.live.Load()
	var result Decision
	for i, reading := range in.Request.Readings() {
		document := in.Request.Document(reading, in.Identity, in.Failure, in.Config.values)
		decision := current.decide(ctx, documentTerm(&document, in.Config.term), s.config.Timeout)
		decision.Revision = current.revision
		if !decision.Allow {
			return decision
		}
		if i > 0 && !decision.sameEffects(result) {
			return Decision{
				Reason: identity.ReasonPolicyError, Revision: current.revision,
				Err: errors.New("the readings of an ambiguous path are allowed with different headers"),
			}
		}
		result = decision
	}
	return result
}

// evalOptions are what every evaluation of a snapshot shares.
func evalOptions(txn storage.Transaction, data ast.Object) []rego.EvalOption {
	return []rego.EvalOption{
		rego.EvalTransaction(txn),
		rego.EvalMetrics(metrics.NoOp()),
		rego.EvalBaseCache(dataTree{data}),
		rego.EvalGenerateJSON(func(term *ast.Term, _ *rego.EvalContext) (any, error) { return term.Value, nil }),
	}
}

// dataTree answers reads of data from the tree itself. It is never written to.
type dataTree struct{ root ast.Object }

// Get implements topdown.BaseCache.
func (d dataTree) Get(ref ast.Ref) ast.Value {
	value, err := d.root.Find(ref[1:])
	if err != nil {
		return nil
	}
	return value
}

// Put implements topdown.BaseCache.
func (dataTree) Put(ast.Ref, ast.Value) {}

// decide evaluates the decision once. A policy that runs away is cut off, and
// one that panics has failed.
func (s *snapshot) decide(ctx context.Context, input ast.Value, timeout time.Duration) (decision Decision) {
	defer func() {
		if problem := recover(); problem != nil {
			decision = failed(fmt.Errorf("the evaluation panicked: %v", problem))
		}
	}()
	cancel := topdown.NewCancel()
	timer := time.AfterFunc(timeout, cancel.Cancel)
	defer timer.Stop()
	options := make([]rego.EvalOption, 0, len(s.options)+2)
	options = append(append(options, s.options...), rego.EvalParsedInput(input), rego.EvalExternalCancel(cancel))
	results, err := s.query.Eval(ctx, options...)
	switch {
	case topdown.IsCancel(err):
		return Decision{Reason: identity.ReasonPolicyTimeout, Err: fmt.Errorf("the policy was cut off after %s", timeout)}
	case err != nil:
		return failed(err)
	case len(results) == 0:
		return Decision{Reason: identity.ReasonPolicyUndefined, Err: errors.New("the decision is undefined")}
	case len(results) > 1 || len(results[0].Expressions) != 1:
		return Decision{Reason: identity.ReasonPolicyUndefined, Err: errors.New("the decision has several values")}
	}
	value, ok := results[0].Expressions[0].Value.(ast.Value)
	if !ok {
		return failed(errors.New("the decision has no value"))
	}
	return decode(value)
}

// failed is the decision of a policy that could not be evaluated.
func failed(err error) Decision {
	return Decision{Reason: identity.ReasonPolicyError, Err: err}
}
