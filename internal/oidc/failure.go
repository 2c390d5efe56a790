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

// Failure is the error of a sign-in or a refresh.
type Failure struct {
	// Status is the status of the response to the browser.
	Status int
	// Reason is the exact reason for the log. The page shows a less specific one.
	Reason authenticator.Reason
	// Subject is the subject of a rejected ID token whose signature is valid, for
	// the log, or "".
	Subject string
	// RetryAfter is how long to wait after status 503; 0 if unknown.
	RetryAfter time.Duration
	// NeedsInteraction says that the provider needs to show a page to the user,
	// although prompt is none. Another sign-in without prompt may succeed.
	NeedsInteraction bool
	// Restart says that the code was not sent to the provider and that the sign-in
	// should start again.
	Restart bool
	// inconclusive says that the response says nothing about the user. A refresh
	// then keeps the session, as if the provider were unavailable.
	inconclusive bool
	// Err is for the log. It contains no code, token or secret.
	Err error
}

// Error implements error.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns what Err is.
func (f *Failure) Unwrap() error { return f.Err }

// newFailure returns a failure.
func newFailure(status int, reason authenticator.Reason, err error) *Failure {
	return &Failure{Status: status, Reason: reason, Err: err}
}

// unavailable returns the failure of a provider that is unavailable.
func unavailable(after time.Duration, err error) *Failure {
	return &Failure{Status: http.StatusServiceUnavailable, Reason: authenticator.ReasonKeysUnavailable, RetryAfter: max(after, time.Second), Err: err}
}

// inconclusive returns the failure of a response that says nothing about the user.
func inconclusive(err error) *Failure {
	failure := newFailure(http.StatusBadGateway, authenticator.ReasonCredentialsInvalid, err)
	failure.inconclusive = true
	return failure
}

// endpointsChanged returns the failure of a sign-in whose provider changed its
// endpoints meanwhile. The code is not sent to the new ones.
func endpointsChanged() *Failure {
	failure := newFailure(http.StatusBadRequest, authenticator.ReasonLoginStateInvalid, errors.New("the provider's metadata changed during the sign-in, which begins anew"))
	failure.Restart = true
	return failure
}

// tokenFailure returns the failure for an error of the token verifier.
func tokenFailure(what string, err error) *Failure {
	var refusal *token.Error
	switch {
	case !errors.As(err, &refusal):
		return newFailure(http.StatusBadGateway, authenticator.ReasonTokenMalformed, fmt.Errorf("%s: %w", what, err))
	case refusal.Reason == authenticator.ReasonKeysUnavailable:
		return unavailable(0, err)
	case refusal.Reason == authenticator.ReasonStepUpRequired:
		return newFailure(http.StatusForbidden, refusal.Reason, fmt.Errorf("%s: %w", what, err))
	case refusal.Reason == authenticator.ReasonLoginStateInvalid:
		return newFailure(http.StatusBadRequest, refusal.Reason, fmt.Errorf("%s: %w", what, err))
	}
	return newFailure(http.StatusBadGateway, refusal.Reason, fmt.Errorf("%s: %w", what, err))
}

// redactError returns an error without the text of responses, which may contain
// tokens, secrets or any text.
func redactError(err error) error {
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

// isTransient reports whether an error is a network error or a response with status
// 429 or 5xx.
func isTransient(err error) bool {
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

// maxPrintable is the maximum length of a provider's text in an error, in bytes.
const maxPrintable = 200

// printable escapes untrusted text for a log line and shortens it.
func printable(text string) string { return textutil.Printable(text, maxPrintable) }
