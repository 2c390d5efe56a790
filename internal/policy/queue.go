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
	// maxWaiting is how many requests wait for an evaluation. If there is one more, the
	// last one of the network with the most is denied.
	maxWaiting = 1024
	// maxWait is how long each of them waits.
	maxWait = time.Second
	// networkSlots is how many concurrent evaluations may wait for other servers.
	networkSlots = 512
)

// The number of concurrent evaluations is limited for the whole process: more than a few
// for each processor take memory without finishing sooner. Evaluations that may wait for
// other servers have slots of their own, so that a slow server does not delay the others.
var (
	computing = fairqueue.New(2*runtime.GOMAXPROCS(0), maxWaiting, maxWait)
	fetching  = fairqueue.New(networkSlots, maxWaiting, maxWait)
)

// acquireSlot waits for a slot, once for all readings of a request.
func (q *question) acquireSlot(usesNetwork bool) error {
	if q.queue != nil {
		return nil
	}
	queue := computing
	if usesNetwork {
		queue = fetching
	}
	if err := queue.Acquire(q.ctx, q.in.Request.ClientAddr()); err != nil {
		return err
	}
	q.queue = queue
	return nil
}

// releaseSlot gives the slot to the next request.
func (q *question) releaseSlot() {
	if q.queue != nil {
		q.queue.Release()
	}
}

// queueFailure returns the decision of a request that got no slot.
func queueFailure(err error) decision.Decision {
	if errors.Is(err, fairqueue.ErrBusy) {
		return decision.Decision{Reason: authenticator.ReasonBusy, Err: errors.New("too many request bodies are being parsed or policies evaluated")}
	}
	return timedOut("the client disconnected, or parsing the body took too long")
}

// timedOut returns the decision of a policy that did not finish in time.
func timedOut(why string) decision.Decision {
	return decision.Decision{Reason: authenticator.ReasonPolicyTimeout, Err: errors.New("the policy did not answer: " + why)}
}
