package authenticator

import "time"

// Verdict is what an authenticator says of a credential.
type Verdict int

// The verdicts. The zero value accepts no credential.
const (
	// Unclaimed: the credential is not for this authenticator (another issuer's
	// token, say); the next one that reads the same place may try. Reason says
	// what to answer if none claims it.
	Unclaimed Verdict = iota
	// Absent: there was no credential that counts; the caller is anonymous. A
	// dead ambient credential (a cookie) leaves its Reason here.
	Absent
	// Accepted: the credential is good; Identity says whose it is.
	Accepted
	// Rejected: the credential is bad. The answer is 401, or 429 when throttled.
	Rejected
	// Malformed: the request is not a proper use of the scheme, or holds two
	// explicit credentials. The answer is 400 (RFC 6750, section 3.1).
	Malformed
	// Unavailable: it cannot be told now, since keys or a store are out of reach.
	// The answer is 503; the credential may well be good.
	Unavailable
)

// Outcome is what became of the credentials in one request.
type Outcome struct {
	// Verdict says whether Identity counts.
	Verdict Verdict
	// Identity is set when Accepted, and may be set when Rejected if the caller
	// is known all the same (a disabled account). It is nil otherwise.
	Identity *Identity
	// Reason is the exact cause unless Accepted.
	Reason Reason
	// Cause is the Reason as the log alone shows it, where it tells more than
	// others may know; "" where it does not.
	Cause Cause
	// Method names the authenticator that judged the credential.
	Method string
	// Candidate is whose credential was refused, for the log: a known user's name or
	// a verified subject. It is never text that could be a password typed in the
	// wrong field.
	Candidate string
	// Details are for the log only, such as the audience expected and received.
	// They never hold a credential.
	Details []Detail
	// BrowserAttached says that browsers send this credential unasked (Basic,
	// cookies, certificates), so that requests from other sites must be told apart.
	BrowserAttached bool
	// ForeignBearer says that the request also has a bearer token, which is the
	// application's own and was not judged.
	ForeignBearer bool
	// RetryAfter is how long to wait when throttled or unavailable; 0 if unknown.
	RetryAfter time.Duration
	// Hold is set if the credential is kept alive by its use. It is called while
	// an allowed request is served, and what it returns when that is over.
	Hold func() (release func())
}

// Detail is one fact about a refusal, for the log.
type Detail struct {
	// Name is a snake_case word, such as expected_audience.
	Name string
	// Value is the fact; it may come from a stranger.
	Value string
}

// Reject returns a Rejected outcome.
func Reject(reason Reason, details ...Detail) Outcome {
	return Outcome{Verdict: Rejected, Reason: reason, Details: details}
}

// Accept returns an Accepted outcome for id, which must be normalized.
func Accept(id *Identity) Outcome {
	return Outcome{Verdict: Accepted, Identity: id, Method: id.Method}
}
