package dpop

import (
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Error says why a proof is not accepted.
type Error struct {
	// Reason is proof_invalid, throttled, busy or store_unavailable.
	Reason authenticator.Reason
	// Problem is a sentence for the log.
	Problem string
	// Expected and Received are the URIs that differ, without query, or "". Received is
	// the client's.
	Expected, Received string
	// Nonce is the nonce that the client has to put into its next proof, or "": then
	// another proof would not help.
	Nonce string
	// RetryAfter is how long to wait, or 0.
	RetryAfter time.Duration
	// Err is the cause, or nil.
	Err error
}

// Error returns the problem.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Problem + ": " + e.Err.Error()
	}
	return e.Problem
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// invalid returns the *Error of a proof that is not valid.
func invalid(problem string) *Error {
	return &Error{Reason: authenticator.ReasonProofInvalid, Problem: problem}
}

// unavailable returns the *Error of a store or a key that cannot be reached.
func unavailable(err error) *Error {
	return &Error{Reason: authenticator.ReasonStoreUnavailable, Problem: "the memory of used proofs is unavailable", Err: err}
}
