package policy

import (
	"context"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Eval asks the policies about an input document as it is, made by hand or saved
// by somebody. It returns the value of the decision, nil if that is undefined,
// and what it comes to. An error means that the input cannot be read.
func (s *Engine) Eval(ctx context.Context, input any) (any, Decision, error) {
	document, err := ast.InterfaceToValue(input)
	if err != nil {
		return nil, Decision{}, fmt.Errorf("input: %w", err)
	}
	current := s.live.Load()
	var decision Decision
	if current.native {
		decision = current.decideDocument(document)
	} else {
		decision = current.evaluate(ctx, current.evaluator.begin(), ast.NewTerm(document), current.span(s.config.Timeout))
	}
	value, err := native(decision.value())
	return value, decision, err
}
