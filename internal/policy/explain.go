package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/accesstable"
	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/explain"
)

// Explanation is what policies make of an input, and why.
type Explanation struct {
	// Allow is true if the decision allows.
	Allow bool `json:"allow"`
	// Reason is why not; empty if it allows.
	Reason authenticator.Reason `json:"reason,omitempty"`
	// Codes are the policy's own; Message is its text for the person refused.
	Codes   []string `json:"codes,omitempty"`
	Message string   `json:"message,omitempty"`
	// Decision is the rule that decides.
	Decision string `json:"decision"`
	// Revision names the policies.
	Revision string `json:"revision"`
	// Value is the decision's value, null if it is undefined.
	Value any `json:"value"`
	// Error is what went wrong inside, or "".
	Error string `json:"error,omitempty"`
	// Tables are the rules of access tables that count for the request; nil if
	// there is no table.
	Tables *accesstable.Explanation `json:"access,omitempty"`
	// Explanation says which rules were tried. Where nothing but an access table
	// decides, there are none.
	explain.Explanation
}

// explainTimeout bounds an explanation as a whole: with a tracer an evaluation
// takes many times longer, and there are several.
const explainTimeout = 5 * time.Second

// Explain says what the policies make of an input document, and why. It is many
// times dearer than a decision. Nothing of the input but what conditions refer to
// is repeated. An error means that the input cannot be read.
func (s *Engine) Explain(ctx context.Context, input any) (Explanation, error) {
	document, err := ast.InterfaceToValue(input)
	if err != nil {
		return Explanation{}, fmt.Errorf("input: %w", err)
	}
	if _, ok := document.(ast.Object); !ok {
		return Explanation{}, errors.New("input: want an object")
	}
	current := s.live.Load()
	ctx, release := context.WithTimeout(ctx, explainTimeout)
	defer release()
	answer := current.decideAsThen(ctx, document)
	value := current.valueOf(answer)
	if refused := current.refuseDocument(document); refused != nil {
		answer = *refused
	}
	result := Explanation{
		Allow: answer.Allow, Reason: answer.Reason, Codes: answer.Codes, Message: answer.Message,
		Decision: s.config.Decision, Revision: current.revision,
		Explanation: NoRules(),
	}
	if answer.Err != nil {
		result.Error = answer.Err.Error()
	}
	if result.Value, err = native(value); err != nil {
		return result, err
	}
	return result, current.explain(ctx, &result, document)
}

// decideAsThen decides about an input as at the time that it names.
func (s *snapshot) decideAsThen(ctx context.Context, document ast.Value) (answer decision.Decision) {
	defer recovered(&answer)
	if s.native {
		return s.decideDocument(document)
	}
	run, end := s.evaluator.begin(), time.Now().Add(explainTimeout)
	value, err := run.evaluate(ctx, ast.NewTerm(document), span{end, end}, timeOf(document))
	s.evaluator.end(run)
	if err != nil {
		return decision.Failed(withoutData(err))
	}
	return s.decode(value)
}

// explain adds what the rules and the tables say. Where only a table decides,
// the rules that read it are nobody's concern.
func (s *snapshot) explain(ctx context.Context, result *Explanation, document ast.Value) (err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("the explanation panicked: %v", problem)
		}
	}()
	if s.table != nil {
		question, err := questionOf(document)
		if err != nil {
			return err
		}
		result.Tables = s.table.Explain(question)
	}
	if s.native {
		return nil
	}
	result.Explanation = explain.Run(ctx, s.policies, document, result.Allow, s.optionsAsThen(ctx, document)...)
	return nil
}

// optionsAsThen are those of the server's own evaluation, with the time of the
// request for the time and explainTimeout for its timeout.
func (s *snapshot) optionsAsThen(ctx context.Context, document ast.Value) []rego.EvalOption {
	end := time.Now().Add(explainTimeout)
	options := append(slices.Clip(s.options), rego.EvalExternalCancel(newLimit(ctx, end, end)))
	if at := timeOf(document); !at.IsZero() {
		options = append(options, rego.EvalTime(at))
	}
	return options
}

// timeOf returns the time that an input names, or zero.
func timeOf(document ast.Value) time.Time {
	if at, err := document.Find(bundle.Ref("data.request.time_ns")[1:]); err == nil {
		if number, ok := at.(ast.Number); ok {
			if ns, ok := number.Int64(); ok && ns != 0 {
				return time.Unix(0, ns)
			}
		}
	}
	return time.Time{}
}

// NoRules is the explanation of a decision that no rule was asked for.
func NoRules() explain.Explanation { return explain.Explanation{Rules: []explain.Rule{}} }
