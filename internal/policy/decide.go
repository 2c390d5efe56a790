package policy

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/fairqueue"
	"github.com/policyauth/caddy-policy-auth/internal/policy/builtins"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decisioncache"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// Input is what a decision is about.
type Input struct {
	// Request is the request in all its readings.
	Request *request.Request
	// Identity is the caller.
	Identity *authenticator.Identity
	// Failure says why ambient credentials were not accepted, or "".
	Failure authenticator.Reason
	// Config holds the operator's constants.
	Config *Constants
	// Body is how much of a body is read, if the policies read it.
	Body request.BodyLimits
}

// Constants are an operator's constants, ready for every request. Call NewConstants.
type Constants struct {
	values map[string]any
	term   *ast.Term
	id     uint64 // of no others in this process
}

// constants counts them.
var constants atomic.Uint64

// NewConstants returns the constants for a JSON object; nil is an empty one.
func NewConstants(values map[string]any) *Constants {
	if values == nil {
		values = map[string]any{}
	}
	return &Constants{values: values, term: valueTerm(values), id: constants.Add(1)}
}

// Decide asks the policies about each reading of the request's path. All must
// allow; the first that does not is the answer. What the readings' decisions
// want done to an allowed request must be the same, or it is an error; for the
// rest the first one speaks. The time is for all of them together, from when the
// first one is evaluated.
func (s *Engine) Decide(ctx context.Context, in Input) Decision {
	current := s.live.Load()
	if refused := current.refuseHost(in); refused != nil {
		return Decision{Decision: *refused, Revision: current.revision}
	}
	defer in.Request.ReleaseBody()
	asked := question{ctx: ctx, in: in, timeout: s.config.Timeout, readsMCP: current.readsMCP(in)}
	defer asked.releaseSlot()
	if result, denied := current.denyUnread(&asked); denied {
		return result
	}
	if refused := current.readBody(&asked); refused != nil {
		return Decision{Decision: *refused, Revision: current.revision}
	}
	return current.decideAll(&asked)
}

// decideAll decides about all readings.
func (s *snapshot) decideAll(asked *question) Decision {
	result := Decision{Decision: decision.Failed(errNoPath), Revision: s.revision}
	readings := asked.in.Request.Readings()
	for i := range readings {
		decoded := s.decide(asked, &readings[i])
		differs := i > 0 && decoded.Allow && !decoded.SameEffects(result.Decision)
		if differs {
			decoded = decision.Failed(errors.New("the readings of an ambiguous path are allowed with different headers"))
		}
		if i == 0 || !decoded.Allow {
			result.Decision, result.origin = decoded, origin{s, readings[i]}
		}
		if !decoded.Allow {
			break
		}
	}
	result.Elapsed, result.Cached = asked.elapsed, asked.cached
	return result
}

var errNoPath = errors.New("the request has no path to judge")

// question is what is asked about one request, in all its readings.
type question struct {
	ctx     context.Context
	in      Input
	timeout time.Duration
	// from when the first one is evaluated
	started  time.Time
	allotted span
	elapsed  time.Duration
	cached   decisioncache.Outcome
	queue    *fairqueue.Queue // that it has a slot of, or nil
	// readsMCP says that the body is to be a message of the Model Context Protocol, and
	// anyMessage that it is not read yet.
	readsMCP, anyMessage bool
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

// readBody reads the request's body if the decision reads it; it returns nil if
// the request can be judged. A body that cannot be read as a whole is a problem
// unless the decision looks at body_truncated itself: what a policy does not see
// it would otherwise take for absent. One that came too slowly always is, because
// nothing can read the rest of it, and so is one that must be a message of the Model
// Context Protocol.
func (s *snapshot) readBody(q *question) *decision.Decision {
	if !s.readsBody && !q.readsMCP {
		return nil
	}
	limits := q.in.Body
	limits.Forms, limits.Time = s.envoy && s.reads.Reads("parsed_body"), patience*q.timeout
	problem, err := q.in.Request.ReadBody(q.ctx, limits)
	if problem == "" && err == nil && q.readsMCP {
		problem = q.in.Request.ReadMCP()
	}
	looks := !q.readsMCP && (s.reads["request.body_truncated"] || s.reads["truncated_body"])
	switch {
	case err != nil:
		refused := queueFailure(err)
		return &refused
	case problem == "", problem != request.BodyTimeout && looks:
		return nil
	}
	return &decision.Decision{Reason: authenticator.ReasonBodyRefused, Codes: []string{string(problem)}, Status: problem.Status()}
}

// bodyPaths are where input holds the body.
var bodyPaths = []string{"request.body", "parsed_body", "attributes.request.http.body"}

// decide decides about one reading: from the cache if it can, else from the policies.
func (s *snapshot) decide(q *question, reading *request.Reading) (answer decision.Decision) {
	if s.native {
		return s.decideByTable(q, reading)
	}
	defer recovered(&answer)
	room, _ := scratches.Get().(*scratch)
	defer room.free()
	d := &room.document
	d.Contract, d.Identity, d.Failure.Reason, d.Config = request.Contract, q.in.Identity, q.in.Failure, q.in.Config.values
	q.in.Request.FillDocument(d, reading, s.projection.parts)
	caller := s.identities.Get(d.Identity)
	if !s.cache.Usable() {
		return s.consult(q, d, caller, reading)
	}
	room.key = s.appendTime(s.projection.appendKey(caller.AppendKey(room.key), d, q.in.Config), d)
	evaluate := func() (decision.Decision, time.Duration) {
		before := q.elapsed
		again := s.consult(q, d, caller, reading)
		return again, q.elapsed - before
	}
	if known, ok := s.cache.Get(room.key, evaluate); ok {
		if q.cached == "" {
			q.cached = decisioncache.Hit
		}
		return known
	}
	q.cached = decisioncache.Miss
	answer = s.consult(q, d, caller, reading)
	s.cache.Put(room.key, answer, d.Identity)
	return answer
}

// consult asks the policies about one reading.
func (s *snapshot) consult(q *question, d *request.Document, caller *decisioncache.CachedIdentity, reading *request.Reading) decision.Decision {
	if err := q.acquireSlot(s.reaches); err != nil {
		return queueFailure(err)
	}
	start := time.Now()
	if q.started.IsZero() {
		q.started, q.allotted = start, s.span(q.timeout)
	}
	run, term := s.evaluator.begin(), caller.Term()
	var input *ast.Term
	if s.envoy {
		input = withEnvoy(s.projection.term(d, q.in.Config.term, term), q.in.Request.Envoy(*reading, q.in.Config.values, true))
	} else {
		input = run.project(s.projection, d, q.in.Config.term, term)
	}
	answer := s.evaluate(q.ctx, run, input, q.allotted)
	q.elapsed += time.Since(start)
	return answer
}

// recovered makes a failure of an evaluation that panics.
func recovered(answer *decision.Decision) {
	if problem := recover(); problem != nil {
		*answer = decision.Failed(fmt.Errorf("the evaluation panicked: %v", problem))
	}
}

// evaluate asks the policies once. One that runs away or whose caller is gone is
// cut off, and one that panics has failed.
func (s *snapshot) evaluate(ctx context.Context, run *evaluation, input *ast.Term, allotted span) (answer decision.Decision) {
	defer recovered(&answer)
	if s.reaches {
		var release context.CancelFunc
		ctx, release = context.WithDeadline(ctx, allotted.end)
		defer release()
	}
	value, err := run.evaluate(ctx, input, allotted, time.Time{})
	late := run.limit.late()
	s.evaluator.end(run)
	switch {
	case topdown.IsCancel(err):
		return timedOut("it was cut off: the client disconnected, or it took longer than its timeout")
	case err != nil:
		return decision.Failed(withoutData(err))
	case late:
		return timedOut("it took longer than its timeout in a built-in function, which cannot be cut off")
	}
	return s.decode(value)
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
	switch {
	case errors.Is(err, builtins.ErrTooLarge):
	case builtins.External(name):
		cause = quotation.ReplaceAllString(cause, `"…"`)
	default:
		cause = "it cannot take what it was given"
	}
	return &topdown.Error{Code: failure.Code, Message: name + ": " + cause, Location: failure.Location}
}

// decode decodes the value of the decision, nil if it is undefined.
func (s *snapshot) decode(value ast.Value) decision.Decision {
	if s.envoy {
		return decision.DecodeEnvoy(value)
	}
	return decision.Decode(value)
}
