package authenticator

import "time"

// Verdict is what an authenticator says of a credential.
type Verdict int

// The verdicts. The zero value accepts no credential.
const (
	// Unclaimed: the credential is not this method's, such as a token of another
	// issuer. The next method with the same source is asked. If no method claims the
	// credential, it is rejected for the Reason of the first one.
	Unclaimed Verdict = iota
	// Absent: a cookie that is no longer valid. The caller is anonymous, the cookie is
	// deleted, and policies see the Reason. For FromCertificate and FromRequest it is
	// also the verdict where there is no credential, without a Reason. From any other
	// source it counts as Rejected.
	Absent
	// Accepted: the credential is valid; Identity is its owner.
	Accepted
	// Rejected: the credential is not valid. The answer is 401, or 429 with
	// ReasonThrottled. A cookie or certificate that is rejected is Absent.
	Rejected
	// Malformed: the request does not use the scheme as it is defined. The answer is
	// 400 (RFC 6750, section 3.1).
	Malformed
	// Unavailable: the credential cannot be verified now, since keys or a store cannot
	// be reached. The answer is 503; the credential may well be valid.
	Unavailable
	// Failed: the method itself has failed, by a panic or by an outcome that is not
	// valid. The answer is 500.
	Failed
)

// Outcome is the result of verifying a credential. Make one with Accept, Reject or
// Fail, or set the fields for the other verdicts.
type Outcome struct {
	// Verdict is the result; only Accepted authenticates the caller.
	Verdict Verdict
	// Identity is the caller; it is nil unless Accepted.
	Identity *Identity
	// Reason is the exact cause; it is empty when Accepted. The reasons of methods are
	// listed at Reason; any other one is replaced by credentials_invalid.
	Reason Reason
	// Cause is a more exact Reason for the log alone, or "".
	Cause Cause
	// Method is the name of the method. It is set by policy_auth.
	Method string
	// Candidate is whose credential was rejected, for the log: a known user's name or
	// a verified subject. Do not set it to text of the client, which could be a
	// password in the wrong field.
	Candidate string
	// Details are for the log alone, such as the expected and the received audience.
	// They never hold a credential.
	Details []Detail
	// Err is why the method failed or is unavailable, for the log alone. It never
	// holds a credential.
	Err error
	// BrowserAttached says that browsers send this credential on their own, so that
	// unsafe requests from other sites are denied. For Basic, cookies, certificates and
	// FromRequest it is implied.
	BrowserAttached bool
	// DPoPNonce, if not empty, asks the client to try again with a DPoP proof that has this
	// nonce (RFC 9449, section 9): the answer has it in the header DPoP-Nonce, and the
	// challenge of the scheme DPoP says use_dpop_nonce. It is ignored when Accepted.
	DPoPNonce string
	// Challenges are further challenges for a 401, beside those of the method Challenges:
	// for methods whose challenges depend on the request. They are ignored when Accepted.
	Challenges []Challenge
	// RetryAfter is how long to wait when throttled or unavailable; 0 if unknown.
	RetryAfter time.Duration
	// Hold, if not nil, keeps the credential valid while an allowed request is served:
	// it is called before the next handler, and release after it.
	Hold func() (release func())
}

// Detail is one fact about a rejected credential, for the log.
type Detail struct {
	// Name is a word of a-z, 0-9 and _, such as expected_audience.
	Name string
	// Value is the fact; it may come from the client.
	Value string
}

// Accept returns an Accepted outcome for id.
func Accept(id *Identity) Outcome {
	return Outcome{Verdict: Accepted, Identity: id}
}

// Reject returns a Rejected outcome.
func Reject(reason Reason, details ...Detail) Outcome {
	return Outcome{Verdict: Rejected, Reason: reason, Details: details}
}

// Fail returns a Failed outcome: the method could not do its work because of err,
// which is logged and not shown to the client.
func Fail(err error) Outcome {
	return Outcome{Verdict: Failed, Reason: ReasonAuthenticatorError, Err: err}
}
