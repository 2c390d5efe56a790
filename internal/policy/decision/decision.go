// Package decision decodes what a Rego policy decided into a [Decision]. It fails closed: only a
// true allow allows, and an unknown member or one of the wrong type is an error.
package decision

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

// Decision is a decision as a policy or an access table made it. The zero value denies.
type Decision struct {
	// Allow is true if the policy allows.
	Allow bool
	// Reason says why the request is denied: policy_denied, unless something went wrong.
	Reason authenticator.Reason
	// Codes are the policy's own codes for the denial.
	Codes []string
	// Message and Remediation are plain text for the denied client.
	Message, Remediation string
	// Status is the status that the policy sets for a denial, or 0.
	Status int
	// Headers are set on the request if it is allowed, and on the response if it is
	// denied.
	Headers http.Header
	// RequestHeadersToRemove and ResponseHeadersToAdd apply to allowed requests.
	RequestHeadersToRemove []string
	ResponseHeadersToAdd   http.Header
	// QueryToRemove and QueryToSet are query parameters that are removed and set on
	// allowed requests.
	QueryToRemove []string
	QueryToSet    map[string][]string
	// Metadata is a JSON object for placeholders, or nil.
	Metadata map[string]any
	// TTL limits how long the decision may be cached; nil if the policy sets no limit.
	TTL *time.Duration
	// Body is the body of a denial, or nil.
	Body *string
	// Challenge asks for other scopes or a stronger sign-in, or is nil.
	Challenge *Challenge
	// Redirect is where a denied client is redirected to, or nil.
	Redirect *Redirect
	// Login says whether a denied client may be sent to sign in, or is nil.
	Login *Login
	// Labels are written to the log.
	Labels map[string]string
	// Err is what went wrong, for the log.
	Err error
	// Value is the value of the rule; nil if it is undefined, was not evaluated, or an
	// access table decided.
	Value ast.Value
}

// Login is what a policy says about signing in.
type Login struct {
	// Offered says that a denied client may be sent to sign in.
	Offered bool
	// Name is the login to use, or "" for any.
	Name string
}

// SameEffects reports whether two allowing decisions change the request and the response
// in the same way.
func (d Decision) SameEffects(other Decision) bool {
	same := func(a, b http.Header) bool { return maps.EqualFunc(a, b, slices.Equal[[]string]) }
	return same(d.Headers, other.Headers) && same(d.ResponseHeadersToAdd, other.ResponseHeadersToAdd) &&
		slices.Equal(d.RequestHeadersToRemove, other.RequestHeadersToRemove) && slices.Equal(d.QueryToRemove, other.QueryToRemove) &&
		maps.EqualFunc(d.QueryToSet, other.QueryToSet, slices.Equal[[]string])
}

// Undecided reports whether the policies did not decide: they failed, took too long, or
// were not evaluated.
func (d Decision) Undecided() bool {
	switch d.Reason {
	case authenticator.ReasonPolicyError, authenticator.ReasonPolicyTimeout, authenticator.ReasonBusy:
		return true
	}
	return false
}

// Clone returns a copy of the decision that shares no headers with it.
func (d Decision) Clone() Decision {
	d.Headers, d.ResponseHeadersToAdd = d.Headers.Clone(), d.ResponseHeadersToAdd.Clone()
	return d
}

// Equal reports whether two decisions have the same value.
func (d Decision) Equal(other Decision) bool {
	if d.Value == nil || other.Value == nil {
		return d.Value == nil && other.Value == nil && d.Allow == other.Allow && d.Reason == other.Reason
	}
	return d.Allow == other.Allow && d.Value.Compare(other.Value) == 0
}

// Failed returns the decision about a request whose evaluation failed.
func Failed(err error) Decision {
	return Decision{Reason: authenticator.ReasonPolicyError, Err: err}
}

// errUndefined is the error for a decision without a value.
var errUndefined = errors.New("the decision is undefined: no rule gives it a value for this request; write default allow := false in its package to deny by rule")

// Decode turns the value of the rule that decides, nil if it is undefined, into a
// decision. It is a boolean or an object; any other value denies.
func Decode(value ast.Value) Decision { return decodeWith(value, decode) }

// DecodeEnvoy is Decode for policies that are written for opa-envoy-plugin.
func DecodeEnvoy(value ast.Value) Decision { return decodeWith(value, decodeEnvoy) }

func decodeWith(value ast.Value, decode func(ast.Value) Decision) Decision {
	if value == nil {
		return Decision{Reason: authenticator.ReasonPolicyUndefined, Err: errUndefined}
	}
	decision := decode(value)
	decision.Value = value
	return decision
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
		return Failed(fmt.Errorf("the decision: %w", err))
	}
	members, ok := native.(map[string]any)
	if !ok {
		return Failed(errors.New("the decision has members whose names are no strings"))
	}
	d := decoder{room: maxText}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		decode, known := fields[name]
		if !known {
			return Failed(fmt.Errorf("the decision has an unknown member %q; known: %s", name, strings.Join(slices.Sorted(maps.Keys(fields)), " ")))
		}
		if err := decode(&d, members[name]); err != nil {
			return Failed(fmt.Errorf("the decision's member %s: %w", name, err))
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
		return Failed(errors.New("the decision's members allow and allowed differ"))
	case len(d.status) == 2 && d.status[0] != d.status[1]:
		return Failed(errors.New("the decision's members status and http_status differ"))
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
