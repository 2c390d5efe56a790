package policy

import (
	"context"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
)

// Eval asks the policies about an input document as it is, made by hand or saved
// by somebody. It returns the value of the decision, nil if that is undefined,
// and what it comes to. An error means that the input cannot be read.
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
	value, err := native(current.valueOf(answer))
	return value, answer, err
}
