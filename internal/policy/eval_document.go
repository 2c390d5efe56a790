package policy

import (
	"context"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
)

// Eval evaluates the policies for an input document that is used as it is. It returns the
// value of the decision, nil if that is undefined, and the decision. An error means that the
// input cannot be read.
func (s *Engine) Eval(ctx context.Context, input any) (any, decision.Decision, error) {
	document, err := ast.InterfaceToValue(input)
	if err != nil {
		return nil, decision.Decision{}, fmt.Errorf("input: %w", err)
	}
	current := s.live.Load()
	var answer decision.Decision
	if current.native {
		answer = current.decideDocument(document)
	} else {
		answer = current.evaluate(ctx, current.evaluator.begin(), ast.NewTerm(document), current.span(s.config.Timeout))
	}
	value := current.valueOf(answer)
	if value == nil {
		return nil, answer, nil
	}
	native, err := ast.JSON(value)
	return native, answer, err
}
