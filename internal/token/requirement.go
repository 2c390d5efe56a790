package token

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/claimpath"
)

// requirement is a Requirement that is ready for use.
type requirement struct {
	source claimpath.Path
	values []string
}

// checkRequirements rejects tokens without the required claims.
func (v *Verifier) checkRequirements(claims object) error {
	for _, r := range v.requirements {
		value, _ := r.source.Lookup(map[string]any(claims))
		received := r.texts(value)
		if !slices.ContainsFunc(received, func(text string) bool { return slices.Contains(r.values, text) }) {
			return refuse(authenticator.ReasonCredentialsInvalid,
				"problem", "a required claim does not hold what it must",
				"claim", r.source.String(),
				"expected_values", strings.Join(r.values, " "),
				"received_values", strings.Join(received, " "))
		}
	}
	return nil
}

// texts returns the values of a claim: the items of a list, or the single value. A
// scope is a list of words separated by spaces (RFC 8693, section 4.2).
func (r requirement) texts(value any) []string {
	items, ok := value.([]any)
	if !ok {
		items = []any{value}
	}
	var texts []string
	for _, item := range items {
		switch item := item.(type) {
		case string:
			texts = append(texts, item)
		case bool:
			texts = append(texts, strconv.FormatBool(item))
		case json.Number:
			texts = append(texts, item.String())
		}
	}
	if scope, ok := value.(string); ok && isScope(r.source) {
		texts = splitScope(scope)
	}
	return texts
}

// isScope reports whether a path is a claim that lists scopes (RFC 8693, section
// 4.2, and the name that Entra ID gives to it).
func isScope(p claimpath.Path) bool {
	names := p.Names()
	return len(names) == 1 && (names[0] == "scope" || names[0] == "scp")
}
