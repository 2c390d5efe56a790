package oidc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/policyauth/caddy-policy-auth/authenticator"
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
	// NeedsInteraction says that the provider has to talk to the user, which it was asked
	// not to do: signing in once more without that may succeed.
	NeedsInteraction bool
	// Restart says that nothing was sent to the provider, and that the sign-in is to be
	// begun once more.
	Restart bool
	// inconclusive says that the provider answered, but nothing about the user: a session that
	// was to be refreshed goes on as if the provider were out of reach.
	inconclusive bool
	// Err is for the log. It holds no code, token or secret.
	Err error
}

// Error implements error.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns what Err is.
func (f *Failure) Unwrap() error { return f.Err }

// newFailure returns a failure of a sign-in that may be begun again.
func newFailure(status int, reason authenticator.Reason, err error) *Failure {
	return &Failure{Status: status, Reason: reason, Err: err}
}

// unavailable returns a failure of a provider that is out of reach.
func unavailable(after time.Duration, err error) *Failure {
	return &Failure{Status: http.StatusServiceUnavailable, Reason: authenticator.ReasonKeysUnavailable, RetryAfter: max(after, time.Second), Err: err}
}

// inconclusive returns a failure of a provider whose answer says nothing about the user.
func inconclusive(err error) *Failure {
	failure := newFailure(http.StatusBadGateway, authenticator.ReasonCredentialsInvalid, err)
	failure.inconclusive = true
	return failure
}

// endpointsChanged returns the failure of a sign-in whose provider has other endpoints by now: a
// code is for those that it was asked of.
func endpointsChanged() *Failure {
	failure := newFailure(http.StatusBadRequest, authenticator.ReasonLoginStateInvalid, errors.New("the provider's metadata changed during the sign-in, which begins anew"))
	failure.Restart = true
	return failure
}

// tokenFailure turns a verifier's error into a failure.
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

// redactError rewrites an error of the libraries, which may repeat an answer's whole
// body: a token or a secret may be in it, a stranger's text always.
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

// isTransient reports whether nothing was answered, or nothing that counts.
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

// maxPrintable is how many bytes of a stranger's text stand in an error.
const maxPrintable = 200

// printable makes a stranger's text fit to stand in a log line.
func printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		piece := string(r)
		if !unicode.IsPrint(r) {
			piece = strings.Trim(strconv.QuoteRune(r), "'")
		}
		if b.Len()+len(piece) > maxPrintable {
			b.WriteString("…")
			break
		}
		b.WriteString(piece)
	}
	return b.String()
}
