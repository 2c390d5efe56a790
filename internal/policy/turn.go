package policy

import (
	"errors"
	"runtime"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/fairqueue"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
)

const (
	// maxWaiting is how many requests wait for an evaluation; one more refuses the
	// last one of the network with the most.
	maxWaiting = 1024
	// maxWait is how long each of them does.
	maxWait = time.Second
	// reachingSlots is how many evaluations go on at once that may wait for other
	// servers.
	reachingSlots = 512
)

// Evaluations at once are bounded for the whole process: more than a few for each
// processor finish no sooner and only take memory. Those that may wait for other
// servers have slots of their own, so that a slow server does not delay the rest.
var (
	computing = fairqueue.New(2*runtime.GOMAXPROCS(0), maxWaiting, maxWait)
	fetching  = fairqueue.New(reachingSlots, maxWaiting, maxWait)
)

// enter waits until the question may be evaluated, once for all of its readings.
func (q *question) enter(reaches bool) error {
	if q.queue != nil {
		return nil
	}
	queue := computing
	if reaches {
		queue = fetching
	}
	if err := queue.Acquire(q.ctx, q.in.Request.ClientAddr()); err != nil {
		return err
	}
	q.queue = queue
	return nil
}

// leave lets the next one in.
func (q *question) leave() {
	if q.queue != nil {
		q.queue.Release()
	}
}

// unevaluated is the decision where there was no turn.
func unevaluated(err error) decision.Decision {
	if errors.Is(err, fairqueue.ErrBusy) {
		return decision.Decision{Reason: authenticator.ReasonBusy, Err: errors.New("too many bodies are parsed or policies evaluated at once")}
	}
	return timedOut("its caller is gone, or parsing the body took too long")
}

// timedOut is the decision of a policy that did not answer in time.
func timedOut(why string) decision.Decision {
	return decision.Decision{Reason: authenticator.ReasonPolicyTimeout, Err: errors.New("the policy did not answer: " + why)}
}
