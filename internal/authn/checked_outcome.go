package authn

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Limits of what is used of an outcome.
const (
	maxDetails    = 32
	maxDetailName = 64
	maxNonce      = 256 // of a DPoP nonce, which is sent
	// minRepeated is how long a credential is at least, in bytes, for a text with it to
	// be left out: shorter ones occur in any text.
	minRepeated = 6
)

// ask asks the method to verify a credential. What it returns counts only as far as
// checked lets it: a method is a module, which may be of another plugin. A panic is a
// Failed outcome.
func (m *Method) ask(r *http.Request, c authenticator.Credential) (outcome authenticator.Outcome) {
	defer func() {
		if problem := recover(); problem != nil {
			outcome = m.failed(panicked(problem))
		}
	}()
	return m.checked(m.Authenticate(r, c), c)
}

// failed is the outcome of a method that did not do its work.
func (m *Method) failed(err error) authenticator.Outcome {
	outcome := authenticator.Fail(fmt.Errorf("method %s: %w", m.Name, err))
	outcome.Method = m.Name
	return outcome
}

// panicked describes a panic by its type and where it began. Its text is known to
// hold no credential only if it is the runtime's.
func panicked(problem any) error {
	text := fmt.Sprintf("%T", problem)
	if err, ok := problem.(runtime.Error); ok {
		text = err.Error()
	}
	callers := make([]uintptr, 32)
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers)])
	for {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, "runtime.") {
			return fmt.Errorf("panic: %s, in %s (%s:%d)", text, frame.Function, frame.File, frame.Line)
		}
		if !more {
			return fmt.Errorf("panic: %s", text)
		}
	}
}

// checked returns an outcome with what is valid in it.
func (m *Method) checked(o authenticator.Outcome, c authenticator.Credential) authenticator.Outcome {
	switch o.Verdict {
	case authenticator.Accepted:
		id, err := m.identity(o.Identity)
		if err != nil {
			return m.failed(fmt.Errorf("it accepts a credential without a valid identity: %w", err))
		}
		return authenticator.Outcome{Verdict: o.Verdict, Identity: id, Method: m.Name, BrowserAttached: o.BrowserAttached, Hold: o.Hold}
	case authenticator.Failed:
		if o.Err == nil || repeats(o.Err.Error(), c) {
			o.Err = errors.New("it failed and does not say why")
		}
		return m.failed(o.Err)
	case authenticator.Absent:
		switch {
		case !c.Source.Ambient():
			o.Verdict = authenticator.Rejected
		case o.Reason == "" && c.Source.Cookie == "":
			return authenticator.Outcome{Verdict: authenticator.Absent, Challenges: o.Challenges} // no credential: the method looked for one itself
		}
	case authenticator.Unclaimed, authenticator.Rejected, authenticator.Malformed, authenticator.Unavailable:
	default:
		return m.failed(fmt.Errorf("there is no verdict %d", o.Verdict))
	}
	return m.denied(o, c)
}

// identity returns the identity of an accepted caller, with the method's name.
func (m *Method) identity(id *authenticator.Identity) (*authenticator.Identity, error) {
	if id != nil && id.Method == "" {
		named := *id
		named.Method = m.Name
		id = named.Normalize()
	}
	id, err := id.Checked()
	switch {
	case err != nil:
		return nil, err
	case !id.Authenticated:
		return nil, errors.New("authenticated is false")
	case id.Method != m.Name:
		return nil, fmt.Errorf("method is %q", id.Method)
	}
	return id, nil
}

// The reasons that a method can give.
var (
	rejections = []authenticator.Reason{
		authenticator.ReasonCredentialsInvalid, authenticator.ReasonTokenMalformed, authenticator.ReasonTokenExpired, authenticator.ReasonTokenNotYetValid,
		authenticator.ReasonTokenSignature, authenticator.ReasonTokenAudience, authenticator.ReasonTokenIssuer, authenticator.ReasonTokenType,
		authenticator.ReasonTokenRevoked, authenticator.ReasonTokenUnbound, authenticator.ReasonProofInvalid, authenticator.ReasonAccountDisabled,
		authenticator.ReasonAccountLocked, authenticator.ReasonSessionExpired, authenticator.ReasonSessionRevoked, authenticator.ReasonCertificateRequired,
		authenticator.ReasonThrottled,
	}
	outages = []authenticator.Reason{authenticator.ReasonKeysUnavailable, authenticator.ReasonStoreUnavailable, authenticator.ReasonBusy}
)

// denied returns an outcome that does not authenticate the caller, with a reason of
// methods and without what must not be logged.
func (m *Method) denied(o authenticator.Outcome, c authenticator.Credential) authenticator.Outcome {
	o.Method, o.Identity, o.Hold, o.RetryAfter = m.Name, nil, nil, max(0, o.RetryAfter)
	known, instead := rejections, authenticator.ReasonCredentialsInvalid
	if o.Verdict == authenticator.Unavailable {
		known, instead = outages, authenticator.ReasonStoreUnavailable
	}
	if !slices.Contains(known, o.Reason) {
		if o.Reason != "" {
			o.Details = append(slices.Clip(o.Details), authenticator.Detail{Name: "unknown_reason", Value: string(o.Reason)})
		}
		o.Reason = instead
	}
	if !isNonce(o.DPoPNonce) {
		o.DPoPNonce = ""
	}
	if o.Cause != authenticator.CauseUserUnknown && o.Cause != authenticator.CausePasswordWrong {
		o.Cause = ""
	}
	if repeats(o.Candidate, c) {
		o.Candidate = ""
	}
	if o.Err != nil && repeats(o.Err.Error(), c) {
		o.Err = nil
	}
	o.Details = loggable(o.Details, c)
	return o
}

// loggable returns the details that may be logged.
func loggable(details []authenticator.Detail, c authenticator.Credential) []authenticator.Detail {
	bad := func(d authenticator.Detail) bool {
		return !isDetailName(d.Name) || repeats(d.Name, c) || repeats(d.Value, c)
	}
	if slices.ContainsFunc(details, bad) {
		details = slices.DeleteFunc(slices.Clone(details), bad)
	}
	return details[:min(len(details), maxDetails)]
}

// isNonce reports whether a nonce can be sent (RFC 9449, section 8.1).
func isNonce(nonce string) bool {
	return len(nonce) <= maxNonce && !strings.ContainsFunc(nonce, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' })
}

// isDetailName reports whether a detail's name is a word of a-z, 0-9 and _.
func isDetailName(name string) bool {
	return name != "" && len(name) <= maxDetailName && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// repeats reports whether a text shows the credential.
func repeats(text string, c authenticator.Credential) bool {
	return len(c.Value) >= minRepeated && strings.Contains(text, c.Value)
}

// challenges returns how the method asks for its credentials; a method that panics
// has no challenge.
func (m *Method) challenges(request authenticator.ChallengeRequest) (challenges []authenticator.Challenge) {
	defer func() {
		if recover() != nil {
			challenges = nil
		}
	}()
	return m.Challenges(request)
}
