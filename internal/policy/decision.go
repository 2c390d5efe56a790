package policy

import (
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decisioncache"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// Decision is what the policies decided about a request. The zero value denies.
type Decision struct {
	decision.Decision
	// Revision names the policies that decided.
	Revision string
	// Elapsed is how long evaluating took; 0 if the decision was cached.
	Elapsed time.Duration
	// Cached says whether the decision was cached: a hit if it was for each reading.
	Cached decisioncache.Outcome

	origin origin
}

// origin is where a decision comes from, for the decision log.
type origin struct {
	snapshot *snapshot
	reading  request.Reading
}

// Denied returns a decision that denies a request without asking the policies.
func Denied(reason authenticator.Reason, codes ...string) Decision {
	return Decision{Decision: decision.Decision{Reason: reason, Codes: codes}}
}

// DeniedFor returns the decision as a denial for another reason. What it tells about the
// evaluation stays.
func (d Decision) DeniedFor(reason authenticator.Reason, err error) Decision {
	return Decision{Decision: decision.Decision{Reason: reason, Err: err}, Revision: d.Revision, Elapsed: d.Elapsed, Cached: d.Cached}
}
