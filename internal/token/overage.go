package token

import (
	"maps"
	"slices"
)

// distributedClaims are the claims that the issuer keeps out of a token and tells
// somewhere else: distributed claims (OpenID Connect Core, section 5.6.2), which
// Entra ID uses for the groups of users who have too many, and the mark that it
// puts in their place in short tokens.
type distributedClaims struct {
	all   bool     // the mark cannot be read: any claim may be meant
	names []string // the claims that are meant
}

// findOverage looks for the marks.
func (m *mapping) findOverage() {
	switch marks := m.claims["_claim_names"].(type) {
	case nil:
	case map[string]any:
		m.names = slices.Sorted(maps.Keys(marks))
	default:
		m.all = true
	}
	switch m.claims["hasgroups"] {
	case nil, false, "false":
	default:
		m.names = append(m.names, "groups")
	}
	if m.all || len(m.names) > 0 {
		m.skip("claims", "_claim_names or hasgroups", "an overage mark")
	}
}

// isDistributed reports whether a claim is told somewhere else. What the token has
// of it counts for nothing, since it may be a part.
func (e *distributedClaims) isDistributed(claim string) bool {
	return e.all || slices.Contains(e.names, claim)
}
