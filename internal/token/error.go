package token

import (
	"fmt"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/textutil"
)

// maxDetail is how many bytes of a stranger's text stand in one detail.
const maxDetail = 128

// Error is why a token was refused. It is for logs: what a client is told is
// coarser. Details named received_… were read before anything was proven, so
// they say what the caller sent and not what is true. The token itself is never
// a part of it.
type Error struct {
	// Reason is the exact cause.
	Reason authenticator.Reason
	// Details are bounded and printable: the values expected and received, the
	// clock, under "problem" a sentence, or under "hint" what to do.
	Details []authenticator.Detail
	// Forged says that a signature was checked, which is dear, and in vain.
	Forged bool
}

// Error names the reason and the details in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("token refused: ")
	b.WriteString(string(e.Reason))
	for _, d := range e.Details {
		fmt.Fprintf(&b, ", %s: %s", d.Name, d.Value)
	}
	return b.String()
}

// refuse returns an *Error. Its pairs are the names and values of details.
func refuse(reason authenticator.Reason, pairs ...string) *Error {
	e := &Error{Reason: reason}
	for i := 0; i+1 < len(pairs); i += 2 {
		e.Details = append(e.Details, authenticator.Detail{Name: pairs[i], Value: printable(pairs[i+1])})
	}
	return e
}

// add adds a detail, unless its value is empty.
func (e *Error) add(name, value string) {
	if value != "" {
		e.Details = append(e.Details, authenticator.Detail{Name: name, Value: printable(value)})
	}
}

// malformed refuses a token that breaks a standard's form.
func malformed(format string, args ...any) *Error {
	return refuse(authenticator.ReasonTokenMalformed, "problem", fmt.Sprintf(format, args...))
}

// printable escapes untrusted text for a log line and shortens it.
func printable(text string) string { return textutil.Printable(text, maxDetail) }
