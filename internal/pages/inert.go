package pages

import (
	"bytes"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// inert returns the refusal with texts that are no actions of a template: where
// Caddy's templates directive stands around the handler, it executes what is
// sent, and with it what a stranger's name or path may say (T-48).
func (rf Refusal) inert() Refusal {
	rf.Message, rf.Remediation, rf.RequestID = inert(rf.Message), inert(rf.Remediation), inert(rf.RequestID)
	codes := make([]string, len(rf.Codes))
	for i, code := range rf.Codes {
		codes[i] = inert(code)
	}
	rf.Codes = codes
	if id := rf.Identity; id != nil {
		rf.Identity = &authenticator.Identity{
			Authenticated: id.Authenticated, ID: inert(id.ID), Username: inert(id.Username), Name: inert(id.Name),
		}
	}
	return rf
}

// inert parts braces that stand together by a character that is not shown.
func inert(text string) string {
	if !strings.Contains(text, "{{") {
		return text
	}
	return strings.ReplaceAll(text, "{", "{\u2060")
}

// inertJSON does the same for an encoded document, which means what it meant:
// braces stand together only in its strings.
func inertJSON(document []byte) []byte {
	return bytes.ReplaceAll(document, []byte("{{"), []byte(`{\u007b`))
}
