package denial

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
)

// maxChallenges bounds all challenges of an answer together, in bytes.
const maxChallenges = 4 << 10

// order puts the schemes first that clients know best: some stop reading at
// one that they do not know (RFC 9110, section 11.3).
var order = []string{"Basic", "Bearer", "DPoP"}

// setChallenges writes one line of WWW-Authenticate for each challenge.
func setChallenges(h http.Header, challenges []identity.Challenge) {
	h.Del("WWW-Authenticate")
	sorted := slices.Clone(challenges)
	slices.SortStableFunc(sorted, func(a, b identity.Challenge) int { return rank(a) - rank(b) })
	size := 0
	for _, challenge := range sorted {
		line := format(challenge)
		if size += len(line); size > maxChallenges {
			line = challenge.Scheme + ` realm=""`
		}
		h.Add("WWW-Authenticate", line)
	}
}

func rank(c identity.Challenge) int {
	if i := slices.Index(order, c.Scheme); i >= 0 {
		return i
	}
	return len(order)
}

// format writes a challenge. Every value is a quoted-string (RFC 9110, section
// 11.5), with a quoted-pair for the two characters that need one (section
// 5.6.4); the parameters of RFC 6750 have no such pair at all (section 3).
func format(c identity.Challenge) string {
	var b strings.Builder
	b.WriteString(c.Scheme)
	for i, p := range c.Params {
		separator := ", "
		if i == 0 {
			separator = " "
		}
		fmt.Fprintf(&b, `%s%s="%s"`, separator, p.Name, quoted(p))
	}
	return b.String()
}

// maxParam bounds one value, in bytes.
const maxParam = 512

// quoted returns what stands between the quotes.
func quoted(p identity.Param) string {
	plain := p.Name == "scope" || strings.HasPrefix(p.Name, "error")
	var b strings.Builder
	for _, r := range p.Value {
		switch {
		case r < 0x20 || r >= 0x7f:
			continue // CTL and what is not ASCII have no place in a realm (RFC 7617, section 3)
		case b.Len() >= maxParam:
			return b.String()
		case r != '"' && r != '\\':
			b.WriteRune(r)
		case plain:
			b.WriteByte('\'')
		default:
			b.WriteByte('\\')
			b.WriteRune(r)
		}
	}
	return b.String()
}
