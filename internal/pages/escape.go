package pages

import (
	"bytes"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// escapeActions returns the refusal with texts that are no actions of a template: where
// Caddy's templates directive stands around the handler, it executes what is
// sent, and with it actions in untrusted names and paths (T-48).
func (d Denial) escapeActions() Denial {
	d.Message, d.Remediation, d.RequestID = escapeActions(d.Message), escapeActions(d.Remediation), escapeActions(d.RequestID)
	codes := make([]string, len(d.Codes))
	for i, code := range d.Codes {
		codes[i] = escapeActions(code)
	}
	d.Codes = codes
	if id := d.Identity; id != nil {
		d.Identity = &authenticator.Identity{
			Authenticated: id.Authenticated, ID: escapeActions(id.ID), Username: escapeActions(id.Username), Name: escapeActions(id.Name),
		}
	}
	return d
}

// escapeActions parts braces that stand together by a character that is not shown.
func escapeActions(text string) string {
	if !strings.Contains(text, "{{") {
		return text
	}
	return strings.ReplaceAll(text, "{", "{\u2060")
}

// escapeActionsJSON does the same for an encoded document, which means what it meant:
// braces stand together only in its strings.
func escapeActionsJSON(document []byte) []byte {
	return bytes.ReplaceAll(document, []byte("{{"), []byte(`{\u007b`))
}
