package authn

import (
	"net/http"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Limits of what is used of a module's WWW-Authenticate.
const (
	maxHeldChallenges = 4
	maxHeldParams     = 16
	maxHeldLine       = 4 << 10 // bytes
)

// heldResponse is what a module writes to. Its headers are kept, and nothing is sent.
type heldResponse struct{ header http.Header }

func (h *heldResponse) Header() http.Header         { return h.header }
func (h *heldResponse) Write(b []byte) (int, error) { return len(b), nil }
func (h *heldResponse) WriteHeader(int)             {}

// parseChallenges returns the challenges in lines of WWW-Authenticate (RFC 9110, section
// 11.6.1), at most maxHeldChallenges. What is no challenge is left out, and so are
// challenges with a token68 instead of parameters, which belong to one exchange.
func parseChallenges(lines []string) []authenticator.Challenge {
	var found []authenticator.Challenge
	for _, line := range lines {
		if len(line) > maxHeldLine {
			continue
		}
		for s := (challengeScanner{rest: line}); len(found) < maxHeldChallenges; {
			challenge, ok := s.next()
			if !ok {
				break
			}
			found = append(found, challenge)
		}
	}
	return found
}

// challengeScanner reads the challenges of a line.
type challengeScanner struct{ rest string }

// next returns the next challenge, false at the end of the line or where it is not valid.
func (s *challengeScanner) next() (authenticator.Challenge, bool) {
	s.skip(" \t,")
	challenge := authenticator.Challenge{Scheme: s.token()}
	if challenge.Scheme == "" {
		return challenge, false
	}
	for {
		before := s.rest
		s.skip(" \t")
		if s.rest != "" && s.rest[0] != ',' && before == s.rest || len(challenge.Params) == maxHeldParams {
			return challenge, false // something other than a token
		}
		comma := strings.HasPrefix(s.rest, ",")
		s.skip(" \t,")
		if s.rest == "" {
			return challenge, true
		}
		start := s.rest
		param, isParam, valid := s.param()
		switch {
		case !valid:
			return challenge, false
		case isParam:
			challenge.Params = append(challenge.Params, param)
		case comma: // the next challenge
			s.rest = start
			return challenge, true
		default:
			return challenge, false // a token68
		}
	}
}

// param reads a parameter. It is false where a name without a value stands.
func (s *challengeScanner) param() (param authenticator.Param, isParam, valid bool) {
	param.Name = s.token()
	s.skip(" \t")
	if param.Name == "" {
		return param, false, false
	}
	if !strings.HasPrefix(s.rest, "=") {
		return param, false, true
	}
	s.rest = s.rest[1:]
	s.skip(" \t")
	if strings.HasPrefix(s.rest, `"`) {
		param.Value, valid = s.quoted()
		return param, true, valid
	}
	param.Value = s.token()
	return param, true, param.Value != ""
}

// quoted reads a quoted-string (RFC 9110, section 5.6.4).
func (s *challengeScanner) quoted() (string, bool) {
	var text strings.Builder
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			s.rest = s.rest[i+1:]
			return text.String(), true
		case c == '\\' && i+1 < len(s.rest):
			i++
			text.WriteByte(s.rest[i])
		default:
			text.WriteByte(c)
		}
	}
	return "", false
}

// token reads a token (RFC 9110, section 5.6.2), or "".
func (s *challengeScanner) token() string {
	end := 0
	for end < len(s.rest) && isTokenCharacter(s.rest[end]) {
		end++
	}
	token := s.rest[:end]
	s.rest = s.rest[end:]
	return token
}

func (s *challengeScanner) skip(chars string) { s.rest = strings.TrimLeft(s.rest, chars) }
