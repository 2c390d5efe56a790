package policy

import (
	"context"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decisionlog"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// Entry returns the entry of a decision in the decision log, or false for one that is not
// logged: the policies drop it, or no policy was evaluated.
func (s *Engine) Entry(ctx context.Context, in Input, d Decision) (*decisionlog.Entry, bool) {
	by := d.origin.snapshot
	if by == nil {
		return nil, false
	}
	document := in.Request.Document(d.origin.reading, in.Identity, in.Failure, in.Config.values, request.AllFields)
	input := whole.term(&document, in.Config.term, nil)
	if by.envoy {
		input = withEnvoy(input, in.Request.Envoy(d.origin.reading, in.Config.values, false))
	}
	return by.log.Entry(ctx, decisionlog.Event{
		Decision: s.config.Decision, Revision: by.revision, Document: &document, Elapsed: d.Elapsed, Err: d.Err,
		Input: input.Value, Result: by.valueOf(d.Decision),
	})
}

// Record keeps the input document of a decision, in the reading that was decided.
func (s *Engine) Record(in Input, d Decision) *decisionlog.Record {
	reading := &d.origin.reading
	if d.origin.snapshot == nil {
		reading = &in.Request.Readings()[0]
	}
	return decisionlog.NewRecord(s.logInput(in, reading))
}

// logInput returns what the input document for one reading is made of.
func (s *Engine) logInput(in Input, reading *request.Reading) decisionlog.Input {
	return decisionlog.Input{
		Request: in.Request, Reading: reading, Identity: in.Identity, Failure: in.Failure, Config: in.Config.values, Envoy: s.config.OPAEnvoy,
	}
}

// prepareLog prepares the rules of the decision log, if there are any.
func (s *snapshot) prepareLog(ctx context.Context, options []func(*rego.Rego)) error {
	for path, target := range map[string]*decisionlog.Rule{bundle.MaskRule: &s.log.Mask, bundle.DropRule: &s.log.Drop} {
		if len(s.compiler.GetRulesWithPrefix(bundle.Ref(path))) == 0 {
			continue
		}
		query, err := prepareQuery(ctx, bundle.Ref(path), options)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		*target = s.logRule(&query)
	}
	return nil
}

// logRule returns a rule of the decision log.
func (s *snapshot) logRule(query *rego.PreparedEvalQuery) decisionlog.Rule {
	return func(ctx context.Context, entry ast.Value) (ast.Value, error) {
		allotted := s.span(defaultTimeout)
		options := append(slices.Clip(s.options), rego.EvalParsedInput(entry), rego.EvalExternalCancel(newLimit(ctx, allotted.end, allotted.max)))
		results, err := query.Eval(ctx, options...)
		if err != nil || len(results) == 0 {
			return nil, err
		}
		value, _ := results[0].Expressions[0].Value.(ast.Value)
		return value, nil
	}
}
