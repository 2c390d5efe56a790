package oidc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/textutil"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// Failure is why a user was not signed in.
type Failure struct {
	// Status is what to answer.
	Status int
	// Reason is the exact cause, for the log; the page shows a coarse one.
	Reason authenticator.Reason
	// Subject is who the refused ID token is about, if the provider has signed it, for
	// the log; else "".
	Subject string
	// RetryAfter is how long to wait with the status 503; 0 if unknown.
	RetryAfter time.Duration
	// Interact says that the provider has to talk to the user, which it was asked
	// not to do: signing in once more without that may succeed.
	Interact bool
	// Anew says that nothing was sent to the provider, and that the sign-in is to be
	// begun once more.
	Anew bool
	// vague says that the provider answered, but nothing about the user: a session that
	// was to be refreshed goes on as if the provider were out of reach.
	vague bool
	// Err is for the log. It holds no code, token or secret.
	Err error
}

// Error implements error.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns what Err is.
func (f *Failure) Unwrap() error { return f.Err }

// fail returns a failure of a sign-in that may be begun again.
func fail(status int, reason authenticator.Reason, err error) *Failure {
	return &Failure{Status: status, Reason: reason, Err: err}
}

// unavailable returns a failure of a provider that is out of reach.
func unavailable(after time.Duration, err error) *Failure {
	return &Failure{Status: http.StatusServiceUnavailable, Reason: authenticator.ReasonKeysUnavailable, RetryAfter: max(after, time.Second), Err: err}
}

// vague returns a failure of a provider whose answer says nothing about the user.
func vague(err error) *Failure {
	failure := fail(http.StatusBadGateway, authenticator.ReasonCredentialsInvalid, err)
	failure.vague = true
	return failure
}

// moved returns the failure of a sign-in whose provider has other endpoints by now: a
// code is for those that it was asked of.
func moved() *Failure {
	failure := fail(http.StatusBadRequest, authenticator.ReasonLoginStateInvalid, errors.New("the provider's metadata changed during the sign-in, which begins anew"))
	failure.Anew = true
	return failure
}

// refused turns a verifier's error into a failure.
func refused(what string, err error) *Failure {
	var refusal *token.Error
	switch {
	case !errors.As(err, &refusal):
		return fail(http.StatusBadGateway, authenticator.ReasonTokenMalformed, fmt.Errorf("%s: %w", what, err))
	case refusal.Reason == authenticator.ReasonKeysUnavailable:
		return unavailable(0, err)
	case refusal.Reason == authenticator.ReasonStepUpRequired:
		return fail(http.StatusForbidden, refusal.Reason, fmt.Errorf("%s: %w", what, err))
	case refusal.Reason == authenticator.ReasonLoginStateInvalid:
		return fail(http.StatusBadRequest, refusal.Reason, fmt.Errorf("%s: %w", what, err))
	}
	return fail(http.StatusBadGateway, refusal.Reason, fmt.Errorf("%s: %w", what, err))
}

// plain rewrites an error of the libraries, which may repeat an answer's whole
// body: a token or a secret may be in it, a stranger's text always.
func plain(err error) error {
	var answer *endpointError
	var network *url.Error
	switch {
	case errors.As(err, &answer):
		return answer
	case errors.As(err, &network):
		return fmt.Errorf("%s %s: %w", network.Op, printable(withoutQuery(network.URL)), network.Err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return errors.New(printable(err.Error()))
}

// isNetwork reports whether nothing was answered, or nothing that counts.
func isNetwork(err error) bool {
	if answer, ok := errors.AsType[*endpointError](err); ok {
		return answer.status >= http.StatusInternalServerError || answer.status == http.StatusTooManyRequests
	}
	var network net.Error
	var asked *url.Error
	return errors.As(err, &asked) || errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

func withoutQuery(text string) string {
	text, _, _ = strings.Cut(text, "?")
	return text
}

// maxText is how many bytes of a stranger's text stand in an error.
const maxText = 200

// printable escapes untrusted text for a log line and shortens it.
func printable(text string) string { return textutil.Printable(text, maxText) }
