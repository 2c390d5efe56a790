package authn

import (
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// cutScheme returns what follows an authentication scheme in a line of
// Authorization (RFC 9110, section 11.4) and whether the line has that scheme.
// What follows is "" where nothing does. Only spaces may stand between the
// two: a tab, say, stays in front of the credential, so that its method
// refuses it instead of the line passing for another program's scheme.
func cutScheme(line, scheme string) (credential string, ok bool) {
	if len(line) < len(scheme) || !strings.EqualFold(line[:len(scheme)], scheme) {
		return "", false
	}
	rest := line[len(scheme):]
	if rest != "" && isTokenCharacter(rest[0]) {
		return "", false // a longer scheme that begins alike
	}
	return strings.TrimLeft(rest, " "), true
}

// isTokenCharacter reports whether c may be part of a token (RFC 9110, section 5.6.2).
func isTokenCharacter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// wellFormed reports whether a credential is passed to its method at all.
// Bearer tokens and those of DPoP have a syntax of their own (RFC 6750, section 2.1; RFC
// 9449, section 7.1), and what breaks it is answered with 400; of other schemes each method
// is the judge.
func wellFormed(c authenticator.Credential) bool {
	return c.Source.Scheme != "bearer" && c.Source != dpopSource || isToken68(c.Value)
}

// syntaxProblem describes why a credential is malformed.
func syntaxProblem(c authenticator.Credential) []authenticator.Detail {
	scheme := "Bearer"
	if c.Source == dpopSource {
		scheme = "DPoP"
	}
	problem := "what follows " + scheme + " is no token (RFC 6750, section 2.1)"
	switch {
	case c.Value == "":
		problem = "nothing follows " + scheme
	case strings.HasPrefix(c.Value, `"`) || strings.HasPrefix(c.Value, "'"):
		problem = "the token after " + scheme + " stands in quotes: send it without them"
	}
	return []authenticator.Detail{{Name: "problem", Value: problem}}
}

// isToken68 reports whether s is a token68 (RFC 9110, section 11.2), which is
// RFC 6750's b64token.
func isToken68(s string) bool {
	body := strings.TrimRight(s, "=")
	for i := range len(body) {
		if !token68[body[i]] {
			return false
		}
	}
	return body != ""
}

// token68 are the bytes of a token68 before its padding.
var token68 = func() (set [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") {
		set[c] = true
	}
	return set
}()

// malformed is the outcome for a request that does not use a scheme properly.
func malformed(method string, reason authenticator.Reason) authenticator.Outcome {
	return authenticator.Outcome{Verdict: authenticator.Malformed, Reason: reason, Method: method}
}
