package policy

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
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
	// MaxBody is how many bytes of a body are read, if the policies read it.
	MaxBody int64
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
// want done to an allowed request must be the same, or it is an error; for the
// rest the first one speaks. The time is for all of them together.
func (s *Set) Decide(ctx context.Context, in Input) Decision {
	current := s.live.Load()
	if problem := current.readBody(in); problem != "" {
		return Decision{Reason: identity.ReasonPolicyDenied, Codes: []string{string(problem)}, Status: problem.Status(), Revision: current.revision}
	}
	allotted := current.span(s.config.Timeout)
	result := failed(errors.New("the request has no path to judge"))
	for i, reading := range in.Request.Readings() {
		decision := current.decide(ctx, in, reading, allotted)
		decision.Revision, decision.made.by, decision.made.reading = current.revision, current, reading
		switch {
		case !decision.Allow:
			return decision
		case i == 0:
			result = decision
		case !decision.sameEffects(result):
			result = failed(errors.New("the readings of an ambiguous path are allowed with different headers"))
			result.Revision, result.made = current.revision, decision.made
			return result
		}
	}
	return result
}

// span is the time that a decision has: until end, or until max where the
// machine is to blame.
type span struct{ end, max time.Time }

// span returns the time that a decision has from now on.
func (s *snapshot) span(timeout time.Duration) span {
	now := time.Now()
	allotted := span{now.Add(timeout), now.Add(patience * timeout)}
	if s.reaches {
		allotted.max = allotted.end
	}
	return allotted
}

// readBody reads the request's body if the decision reads it. A body that cannot
// be read as a whole is a problem unless the decision looks at body_truncated
// itself: what a policy does not see it would otherwise take for absent.
func (s *snapshot) readBody(in Input) request.BodyProblem {
	if !slices.ContainsFunc(bodyPaths, s.reads.reads) {
		return ""
	}
	problem := in.Request.ReadBody(in.MaxBody)
	if s.reads["request.body_truncated"] || s.reads["truncated_body"] {
		return ""
	}
	return problem
}

// bodyPaths are where input holds the body.
var bodyPaths = []string{"request.body", "parsed_body", "attributes.request.http.body"}

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

// decide asks the policies once, about one reading.
func (s *snapshot) decide(ctx context.Context, in Input, reading request.Reading, allotted span) (decision Decision) {
	defer recovered(&decision)
	document := in.Request.Document(reading, in.Identity, in.Failure, in.Config.values, s.projection.parts)
	input := s.projection.term(&document, in.Config.term)
	if s.envoy {
		input = withEnvoy(input, in.Request.Envoy(reading, true))
	}
	return s.evaluate(ctx, input, allotted)
}

// recovered makes a failure of an evaluation that panics.
func recovered(decision *Decision) {
	if problem := recover(); problem != nil {
		*decision = failed(fmt.Errorf("the evaluation panicked: %v", problem))
	}
}

// evaluate asks the policies once. One that runs away or whose caller is gone is
// cut off, and one that panics has failed.
func (s *snapshot) evaluate(ctx context.Context, input ast.Value, allotted span) (decision Decision) {
	defer recovered(&decision)
	if s.reaches {
		var release context.CancelFunc
		ctx, release = context.WithDeadline(ctx, allotted.end)
		defer release()
	}
	options := make([]rego.EvalOption, 0, len(s.options)+2)
	options = append(append(options, s.options...), rego.EvalParsedInput(input), rego.EvalExternalCancel(newLimit(ctx, allotted.end, allotted.max)))
	results, err := s.query.Eval(ctx, options...)
	switch {
	case topdown.IsCancel(err):
		return Decision{Reason: identity.ReasonPolicyTimeout, Err: errors.New("the policy was cut off: its caller is gone, or it took longer than its timeout")}
	case err != nil:
		return failed(withoutData(err))
	}
	return s.decodeResults(results)
}

// quotation is what an error repeats of a URL.
var quotation = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// withoutData returns an evaluation's error without what a built-in function
// repeats of its operands, in whatever form: those come from the request, whose
// query and headers do not belong in the log. What is wrong with another server
// is kept, but for its URL.
func withoutData(err error) error {
	var failure *topdown.Error
	if !errors.As(err, &failure) || failure.Code != topdown.BuiltinErr {
		return err
	}
	name, cause, _ := strings.Cut(failure.Message, ": ")
	if slices.Contains(gated, name) {
		cause = quotation.ReplaceAllString(cause, `"…"`)
	} else {
		cause = "it cannot take what it was given"
	}
	return &topdown.Error{Code: failure.Code, Message: name + ": " + cause, Location: failure.Location}
}

// decodeResults takes the one value that a query for a rule has, if any.
func (s *snapshot) decodeResults(results rego.ResultSet) Decision {
	switch {
	case len(results) == 0:
		return Decision{Reason: identity.ReasonPolicyUndefined, Err: errors.New("the decision is undefined")}
	case len(results) > 1 || len(results[0].Expressions) != 1:
		return Decision{Reason: identity.ReasonPolicyUndefined, Err: errors.New("the decision has several values")}
	}
	value, ok := results[0].Expressions[0].Value.(ast.Value)
	if !ok {
		return failed(errors.New("the decision has no value"))
	}
	decode := decode
	if s.envoy {
		decode = decodeEnvoy
	}
	decision := decode(value)
	decision.made.value = value
	return decision
}

// failed is the decision of a policy that could not be evaluated.
func failed(err error) Decision {
	return Decision{Reason: identity.ReasonPolicyError, Err: err}
}
