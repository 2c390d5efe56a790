package explain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/accesstable"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
)

// Explanation is the decision about an input, with its reasons.
type Explanation struct {
	// Allow is true if the decision allows.
	Allow bool `json:"allow"`
	// Reason is the reason of a denial; empty if the decision allows.
	Reason authenticator.Reason `json:"reason,omitempty"`
	// Codes are the reason codes of the policy; Message is its text for the denied user.
	Codes   []string `json:"codes,omitempty"`
	Message string   `json:"message,omitempty"`
	// Decision is the path of the decision.
	Decision string `json:"decision"`
	// Revision names the policies.
	Revision string `json:"revision"`
	// Value is the value of the decision, null if it is undefined.
	Value any `json:"value"`
	// Error is the internal error of the evaluation, or "".
	Error string `json:"error,omitempty"`
	// Tables explains the access table; nil if there is none.
	Tables *accesstable.Explanation `json:"access,omitempty"`
	// Evaluation has the rules that were tried: none if an access table decides alone.
	Evaluation
}

// explainTimeout bounds an explanation as a whole: with a tracer an evaluation
// takes many times longer, and there are several.
const explainTimeout = 5 * time.Second

// Explain evaluates the policies for an input document and explains the result. It takes
// many times longer than a decision. It repeats only those values of the input that
// conditions refer to. It returns an error if the input cannot be read.
func Explain(ctx context.Context, engine *policy.Engine, input any) (Explanation, error) {
	document, err := ast.InterfaceToValue(input)
	if err != nil {
		return Explanation{}, fmt.Errorf("input: %w", err)
	}
	if _, ok := document.(ast.Object); !ok {
		return Explanation{}, errors.New("input: want an object")
	}
	current := engine.Snapshot()
	ctx, release := context.WithTimeout(ctx, explainTimeout)
	defer release()
	end, at := time.Now().Add(explainTimeout), timeOf(document)
	answer, value := current.DecideDocument(ctx, document, end, at)
	result := Explanation{
		Allow: answer.Allow, Reason: answer.Reason, Codes: answer.Codes, Message: answer.Message,
		Decision: current.Decision, Revision: current.Revision(),
		Evaluation: NoRules(),
	}
	if answer.Err != nil {
		result.Error = answer.Err.Error()
	}
	if value != nil {
		if result.Value, err = ast.JSON(value); err != nil {
			return result, err
		}
	}
	return result, result.add(ctx, current, document, current.EvalOptions(ctx, end, at))
}

// add adds what the rules and the tables say. Where a table decides by itself, there are
// no rules.
func (e *Explanation) add(ctx context.Context, current policy.Snapshot, document ast.Value, options []rego.EvalOption) (err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("the explanation panicked: %v", problem)
		}
	}()
	if e.Tables, err = current.ExplainTable(document); err != nil {
		return err
	}
	if current.TableOnly() {
		return nil
	}
	query, err := current.Prepare(ctx, ast.NewBody(ast.NewExpr(ast.NewTerm(bundle.Ref(current.Decision)))))
	if err != nil {
		return err
	}
	p := Policies{Compiler: current.Compiler(), Query: query, Data: ast.NewTerm(current.Data()), Prepare: current.Prepare}
	e.Evaluation = Run(ctx, p, document, e.Allow, options...)
	return nil
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
func NoRules() Evaluation { return Evaluation{Rules: []Rule{}} }
