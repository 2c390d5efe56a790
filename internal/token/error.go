package token

import (
	"fmt"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/textutil"
)

// maxDetail is the maximum length of a detail that comes from a token, in bytes.
const maxDetail = 128

// Error explains to the log why a token was rejected. The response is less
// specific. Details named received_… are unverified. The token itself is never
// included.
type Error struct {
	// Reason is the exact cause.
	Reason authenticator.Reason
	// Details have limited length and are printable: expected and received values,
	// the clock, a sentence named "problem", or advice named "hint".
	Details []authenticator.Detail
	// BadSignature says that a signature was computed, which is expensive, and did
	// not match.
	BadSignature bool
}

// Error returns the reason and the details on one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("token refused: ")
	b.WriteString(string(e.Reason))
	for _, d := range e.Details {
		fmt.Fprintf(&b, ", %s: %s", d.Name, d.Value)
	}
	return b.String()
}

// refuse returns an *Error with details from pairs of names and values.
func refuse(reason authenticator.Reason, pairs ...string) *Error {
	e := &Error{Reason: reason}
	for i := 0; i+1 < len(pairs); i += 2 {
		e.Details = append(e.Details, authenticator.Detail{Name: pairs[i], Value: printable(pairs[i+1])})
	}
	return e
}

// add adds a detail unless its value is empty.
func (e *Error) add(name, value string) {
	if value != "" {
		e.Details = append(e.Details, authenticator.Detail{Name: name, Value: printable(value)})
	}
}

// malformed returns the *Error of a token that violates a standard.
func malformed(format string, args ...any) *Error {
	return refuse(authenticator.ReasonTokenMalformed, "problem", fmt.Sprintf(format, args...))
}

// printable escapes untrusted text for a log line and truncates it.
func printable(text string) string { return textutil.Printable(text, maxDetail) }
