package policy

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Decision is what policies answer. The zero value denies.
type Decision struct {
	// Allow is true only if every policy that was asked said so.
	Allow bool
	// Reason is why not; policy_denied unless something went wrong.
	Reason authenticator.Reason
	// Codes are the policy's own codes.
	Codes []string
	// Message and Remediation are plain text for the person refused.
	Message, Remediation string
	// Status is the status of a denial that the policy asks for, or 0.
	Status int
	// Headers are set on the upstream's request when allowed, on the response
	// when denied.
	Headers http.Header
	// RequestHeadersToRemove and ResponseHeadersToAdd count when allowed.
	RequestHeadersToRemove []string
	ResponseHeadersToAdd   http.Header
	// QueryToRemove and QueryToSet name parameters of the upstream's query and
	// count when allowed.
	QueryToRemove []string
	QueryToSet    map[string][]string
	// Metadata is a JSON object for placeholders, or nil.
	Metadata map[string]any
	// TTL bounds how long the decision may be remembered; nil for no bound of its own.
	TTL *time.Duration
	// Body is the body of a denial, or nil.
	Body *string
	// Challenge asks for more than the caller has, or nil.
	Challenge *Challenge
	// Redirect sends the refused elsewhere on the same origin, or nil.
	Redirect *Redirect
	// Login says whether the refused may be sent to sign in, or is nil.
	Login *Login
	// Labels go to the log.
	Labels map[string]string
	// Revision names the policies that decided.
	Revision string
	// Err is what went wrong, for the log.
	Err error
	// Elapsed is how long evaluating took; 0 if the decision was remembered.
	Elapsed time.Duration
	// Cached says whether it was remembered: a hit if it was for each reading.
	Cached Cached

	made made
}

// Login is what a policy says of signing in.
type Login struct {
	// Offered says that signing in may help.
	Offered bool
	// Name is which login to use, or "" for any.
	Name string
}

// sameEffects reports whether two allowing decisions want the same done.
func (d Decision) sameEffects(other Decision) bool {
	same := func(a, b http.Header) bool { return maps.EqualFunc(a, b, slices.Equal[[]string]) }
	return same(d.Headers, other.Headers) && same(d.ResponseHeadersToAdd, other.ResponseHeadersToAdd) &&
		slices.Equal(d.RequestHeadersToRemove, other.RequestHeadersToRemove) && slices.Equal(d.QueryToRemove, other.QueryToRemove) &&
		maps.EqualFunc(d.QueryToSet, other.QueryToSet, slices.Equal[[]string])
}

// decode turns the value of a decision into a Decision. It is a boolean or an
// object; everything else denies.
func decode(value ast.Value) Decision {
	switch v := value.(type) {
	case ast.Boolean:
		if v {
			return Decision{Allow: true}
		}
		return Decision{Reason: authenticator.ReasonPolicyDenied}
	case ast.Object:
		return decodeObject(v)
	}
	return Decision{
		Reason: authenticator.ReasonPolicyUndefined,
		Err:    fmt.Errorf("the decision is of type %s: write true, false or an object with the member allow", ast.ValueName(value)),
	}
}

// decodeObject decodes the members of an object. An unknown member and one of a
// wrong type are errors: a misspelt "deny" must not let a caller in.
func decodeObject(object ast.Object) Decision {
	native, err := ast.JSON(object)
	if err != nil {
		return failed(fmt.Errorf("the decision: %w", err))
	}
	members, ok := native.(map[string]any)
	if !ok {
		return failed(errors.New("the decision has members whose names are no strings"))
	}
	d := decoder{room: maxText}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		decode, known := fields[name]
		if !known {
			return failed(fmt.Errorf("the decision has an unknown member %q; known: %s", name, strings.Join(slices.Sorted(maps.Keys(fields)), " ")))
		}
		if err := decode(&d, members[name]); err != nil {
			return failed(fmt.Errorf("the decision's member %s: %w", name, err))
		}
	}
	return d.finish()
}

// decoder collects the members of a decision.
type decoder struct {
	decision Decision
	allow    []bool   // of allow and allowed
	status   []int    // of status and http_status
	denied   bool     // there is something in deny
	messages []string // of deny
	room     int      // bytes left for them
}

// finish decides: only a true allow and no deny allows.
func (d *decoder) finish() Decision {
	result := d.decision
	switch {
	case len(d.allow) == 0:
		return Decision{Reason: authenticator.ReasonPolicyUndefined, Err: errors.New("the decision has no member allow")}
	case len(d.allow) == 2 && d.allow[0] != d.allow[1]:
		return failed(errors.New("the decision's members allow and allowed differ"))
	case len(d.status) == 2 && d.status[0] != d.status[1]:
		return failed(errors.New("the decision's members status and http_status differ"))
	}
	if len(d.status) > 0 {
		result.Status = d.status[0]
	}
	if result.Message == "" {
		result.Message = strings.Join(d.messages, " ")
	}
	result.Allow = d.allow[0] && !d.denied
	if !result.Allow {
		result.Reason = authenticator.ReasonPolicyDenied
	}
	return result
}
