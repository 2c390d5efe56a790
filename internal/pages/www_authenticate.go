package pages

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

const (
	// maxChallenges bounds all challenges of an answer together, in bytes.
	maxChallenges = 4 << 10
	// maxParam bounds one value, in bytes.
	maxParam = 512
)

// order puts the schemes first that clients know best: some stop reading at
// one that they do not know (RFC 9110, section 11.3).
var order = []string{"Basic", "Bearer", "DPoP"}

// restricted is the realm of a challenge that says nothing else.
var restricted = authenticator.Param{Name: "realm", Value: "restricted"}

// fallback is the challenge of a 401 for which no method gave one, since there
// must never be a 401 without (RFC 9110, section 15.5.2).
var fallback = authenticator.Challenge{Scheme: "Session", Params: []authenticator.Param{restricted}}

// challengePattern is how a challenge begins: with the name of a scheme (RFC 9110,
// section 11.6.1).
var challengePattern = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+( |$)")

// HasChallenge reports whether a policy's headers hold a challenge.
func HasChallenge(h http.Header) bool {
	return slices.ContainsFunc(h["Www-Authenticate"], challengePattern.MatchString)
}

// setChallenges writes one line of WWW-Authenticate for each challenge: more
// than one on a line is not read by all clients (RFC 9110, section 11.6.1).
func setChallenges(h http.Header, challenges []authenticator.Challenge) {
	delete(h, "Www-Authenticate")
	if len(challenges) == 0 {
		return
	}
	lines := make([]string, len(challenges))
	for i, challenge := range challenges {
		lines[i] = formatChallenge(challenge)
	}
	h["Www-Authenticate"] = lines
}

// sendable returns the challenges as they can be sent: in order, with values
// cleaned, no parameter twice, and no more than maxChallenges bytes; what does
// not fit is left out whole.
func sendable(challenges []authenticator.Challenge) []authenticator.Challenge {
	sorted := slices.Clone(challenges)
	slices.SortStableFunc(sorted, func(a, b authenticator.Challenge) int { return rank(a) - rank(b) })
	result := make([]authenticator.Challenge, 0, len(sorted))
	left := maxChallenges
	for _, c := range sorted {
		if !httpguts.ValidHeaderFieldName(c.Scheme) {
			continue // no token (section 11.1)
		}
		c.Params = sendableParams(c.Params, left-len(c.Scheme))
		if size := challengeSize(c); len(c.Params) > 0 && size <= left {
			left -= size
			result = append(result, c)
		}
	}
	return result
}

func rank(c authenticator.Challenge) int {
	i := slices.IndexFunc(order, func(scheme string) bool { return strings.EqualFold(scheme, c.Scheme) })
	if i < 0 {
		return len(order)
	}
	return i
}

// sendableParams returns the parameters that can be sent, each name once, in at
// most room bytes. There is always a realm if there is nothing else (RFC 6750,
// section 3).
func sendableParams(params []authenticator.Param, room int) []authenticator.Param {
	result := make([]authenticator.Param, 0, len(params)+1)
	for _, p := range params {
		result, room = appendSendable(result, p, room)
	}
	if len(result) == 0 {
		result, _ = appendSendable(result, restricted, room)
	}
	return result
}

// appendSendable appends a parameter if it can be sent in room bytes and there is none of
// that name, and returns the room that is left.
func appendSendable(to []authenticator.Param, p authenticator.Param, room int) ([]authenticator.Param, int) {
	name := strings.ToLower(p.Name)
	value, ok := cleanParam(name, p.Value)
	size := paramSize(authenticator.Param{Name: name, Value: value})
	known := slices.ContainsFunc(to, func(other authenticator.Param) bool { return strings.EqualFold(other.Name, name) })
	if !ok || known || size > room || !httpguts.ValidHeaderFieldName(p.Name) {
		return to, room
	}
	return append(to, authenticator.Param{Name: p.Name, Value: value}), room - size
}

// paramSize returns the length of a parameter with the separator before it, in bytes.
func paramSize(p authenticator.Param) int {
	return len(`, ="`) + len(p.Name) + len(quote(p.Value)) + len(`"`)
}

// challengeSize returns the length of a challenge, in bytes: the first parameter has a
// shorter separator.
func challengeSize(c authenticator.Challenge) int {
	size := len(c.Scheme)
	for i, p := range c.Params {
		size += paramSize(p)
		if i == 0 {
			size--
		}
	}
	return size
}

// cleanParam returns a parameter's value without what cannot be sent: CTL and what
// is not ASCII (RFC 7617, section 3), and for the parameters of RFC 6750 the
// two characters that it does not know how to quote (section 3). A list has one
// space between its words. A value that is too long ends with a whole word; it is
// false if nothing is left of it.
func cleanParam(name, value string) (string, bool) {
	plain := name == "scope" || strings.HasPrefix(name, "error")
	list := name == "scope" || name == "acr_values"
	cleaned := strings.Map(func(r rune) rune {
		switch {
		case r == '\t' && !plain:
			return r
		case r < 0x20 || r >= 0x7f:
			return -1
		case plain && (r == '"' || r == '\\'):
			return '\''
		}
		return r
	}, value)
	if list {
		cleaned = strings.Join(strings.Fields(cleaned), " ")
	}
	if len(cleaned) > maxParam {
		cleaned = cleaned[:max(0, strings.LastIndexByte(cleaned[:maxParam+1], ' '))]
	}
	return cleaned, cleaned != "" || value == "" && !plain && !list
}

// formatChallenge writes a challenge. Every value is a quoted-string (RFC 9110, section
// 11.5).
func formatChallenge(c authenticator.Challenge) string {
	var b strings.Builder
	b.Grow(challengeSize(c))
	b.WriteString(c.Scheme)
	separator := " "
	for _, p := range c.Params {
		for _, part := range [...]string{separator, p.Name, `="`, quote(p.Value), `"`} {
			b.WriteString(part)
		}
		separator = ", "
	}
	return b.String()
}

// pairs writes a quoted-pair for the two characters that need one (section 5.6.4).
var pairs = strings.NewReplacer(`"`, `\"`, `\`, `\\`)

// quote returns what stands between the quotes of a quoted-string.
func quote(value string) string { return pairs.Replace(value) }
