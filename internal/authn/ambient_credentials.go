package authn

import (
	"net/http"
	"slices"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// ambientReading is an ambient source of one method.
type ambientReading struct {
	method *Method
	source authenticator.Source
}

// identifyAmbient authenticates a request without an explicit credential: the first
// method that accepts a cookie, a certificate or the request decides, in the order
// written. If only is not nil, other sources are not read. If no credential is accepted,
// the caller is anonymous: the outcome says why, and the source names the cookie to
// delete. A credential that one method rejects is never tried with another method.
func (c *Chain) identifyAmbient(r *http.Request, only []authenticator.Source, secure bool) Identified {
	var (
		anonymous Identified
		rejected  []authenticator.Source
		answered  []authenticator.Challenge
	)
	for _, reading := range c.ambient {
		source := reading.source
		if only != nil && !slices.Contains(only, source) || slices.Contains(rejected, source) {
			continue
		}
		outcome := c.ambientOutcome(r, reading, secure)
		answered = AddChallenges(answered, outcome.Challenges)
		switch {
		case outcome.Verdict == authenticator.Absent && outcome.Reason == "":
			continue // there is no such credential
		case decides(&outcome, source):
			if outcome.Verdict != authenticator.Accepted {
				outcome.Challenges = answered
			}
			return Identified{Outcome: outcome, Source: source}
		case outcome.Verdict != authenticator.Unclaimed && !source.Request:
			rejected = append(rejected, source)
		}
		anonymous = anonymous.orElse(outcome, source)
	}
	anonymous.Outcome = authenticator.Outcome{Verdict: authenticator.Absent, Reason: anonymous.Reason, Method: anonymous.Method, Candidate: anonymous.Candidate, Details: anonymous.Details, Challenges: answered}
	return anonymous
}

// orElse returns i, which is why the caller is anonymous, or the outcome if there is no such
// reason yet. The source is that of a cookie, which can be deleted, if there is one.
func (i Identified) orElse(outcome authenticator.Outcome, source authenticator.Source) Identified {
	if i.Reason == "" {
		return Identified{Outcome: outcome, Source: source}
	}
	if i.Source.Cookie == "" && source.Cookie != "" {
		i.Source = source
	}
	return i
}

// ambientOutcome is what a method says of the credential in one of its ambient
// sources: Absent without a reason if there is none. A cookie that is there twice is
// rejected unread (R-CK-5), and so is what could be overheard.
func (c *Chain) ambientOutcome(r *http.Request, reading ambientReading, secure bool) authenticator.Outcome {
	credential := authenticator.Credential{Source: reading.source}
	if reading.source.Cookie != "" {
		values := credentialsIn(r, reading.source)
		switch {
		case len(values) == 0:
			return authenticator.Outcome{Verdict: authenticator.Absent}
		case secure && len(values) > 1:
			return malformed(reading.method.Name, authenticator.ReasonCredentialsAmbiguous)
		}
		credential.Value = values[0]
	}
	if !secure && !reading.source.Certificate { // a certificate is no secret
		return authenticator.Reject(authenticator.ReasonInsecureTransport)
	}
	return c.rejectCrossSite(r, credential, reading.method.ask(r, credential))
}

// decides reports whether the outcome of an ambient credential is that of the request,
// where others leave the caller anonymous.
func decides(outcome *authenticator.Outcome, source authenticator.Source) bool {
	switch outcome.Verdict {
	case authenticator.Accepted, authenticator.Unavailable, authenticator.Failed:
		return true
	case authenticator.Malformed:
		return source.Request
	case authenticator.Rejected:
		return outcome.Reason == authenticator.ReasonCrossSite || source.Request && outcome.Reason != authenticator.ReasonInsecureTransport
	}
	return false
}
