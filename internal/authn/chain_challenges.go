package authn

import (
	"slices"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Challenges returns the challenges of all methods, one of each kind: where several
// methods share a scheme, realm and header, the challenge that names an error wins.
func (c *Chain) Challenges(d authenticator.ChallengeRequest) []authenticator.Challenge {
	var result []authenticator.Challenge
	for _, method := range c.methods {
		own := d
		if d.Method != "" && d.Method != method.Name {
			own = authenticator.ChallengeRequest{Browser: d.Browser, MaxAge: -1}
		}
		result = AddChallenges(result, method.challenges(own))
	}
	return result
}

// AddChallenges returns challenges with more of them, one of each kind: the one that names
// an error wins.
func AddChallenges(to, more []authenticator.Challenge) []authenticator.Challenge {
	for _, challenge := range more {
		i := slices.IndexFunc(to, func(other authenticator.Challenge) bool { return sameKind(challenge, other) })
		switch {
		case i < 0:
			to = append(to, challenge)
		case param(to[i], "error") == "":
			to[i] = challenge
		}
	}
	return to
}

// sameKind reports whether two challenges ask for the same credential.
func sameKind(a, b authenticator.Challenge) bool {
	return a.Scheme == b.Scheme && param(a, "realm") == param(b, "realm") && param(a, "header") == param(b, "header") &&
		param(a, "resource_metadata") == param(b, "resource_metadata")
}

// param returns the value of a challenge's auth-param, or "".
func param(c authenticator.Challenge, name string) string {
	for _, p := range c.Params {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}
