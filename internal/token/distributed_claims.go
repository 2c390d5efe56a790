package token

import (
	"maps"
	"slices"
)

// distributedClaims are the claims that the issuer omits from a token because they
// are available elsewhere (OpenID Connect Core, section 5.6.2). Entra ID omits
// groups in this way from tokens of users with too many groups (groups overage), or
// sets hasgroups.
type distributedClaims struct {
	all   bool     // the marker has an unexpected type: any claim may be omitted
	names []string // the omitted claims
}

// findOverage finds the claims that are omitted.
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

// isDistributed reports whether a claim is available elsewhere. If the token has
// the claim too, it is ignored, since it may be incomplete.
func (e *distributedClaims) isDistributed(claim string) bool {
	return e.all || slices.Contains(e.names, claim)
}
