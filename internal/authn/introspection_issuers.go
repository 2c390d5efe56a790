package authn

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// issuers are those of a site's jwt methods, as foldIssuer returns them. With any, they
// are all issuers.
type issuers []string

// include reports whether an issuer is one of them.
func (s issuers) include(issuer string) bool {
	return slices.Contains(s, anyone) || slices.Contains(s, foldIssuer(issuer))
}

// withholdJWTs tells the introspection methods of a site which issuers its jwt methods
// name, whose tokens they must not send.
func withholdJWTs(methods []Method) {
	var owned issuers
	for _, method := range methods {
		if j, ok := method.Authenticator.(*JWT); ok {
			owned = append(owned, foldIssuer(j.Issuer))
		}
	}
	for _, method := range methods {
		if i, ok := method.Authenticator.(*Introspection); ok {
			i.owned = owned
		}
	}
}

// mustNotSend returns why a token is not sent to the endpoint, for the log, or nil. The
// endpoint could use a token of another issuer itself.
func (i *Introspection) mustNotSend(raw string) []authenticator.Detail {
	if !looksLikeJWT(raw) {
		return nil
	}
	issuer, readable := token.Parse(raw).Issuer()
	var problem string
	switch {
	case !readable:
		problem = "a JWT without a readable iss is not sent to the introspection endpoint"
	case i.owned.include(issuer):
		problem = "a jwt method verifies the tokens of this issuer, so that they are not sent to the introspection endpoint"
	case i.Issuer != "" && issuer != i.Issuer, i.Issuer == "" && !sameOrigin(issuer, i.URL):
		problem = "a JWT of another issuer is not sent to the introspection endpoint; if it is the endpoint's own, write issuer " + issuer
	default:
		return nil
	}
	return []authenticator.Detail{{Name: "problem", Value: problem}, {Name: "received_issuer", Value: issuer}}
}

// looksLikeJWT reports whether a token begins like a JWS or a JWE: with a JSON object in
// base64url, valid or not.
func looksLikeJWT(raw string) bool {
	head, _, dotted := strings.Cut(raw, ".")
	if !dotted {
		return false
	}
	decoded, _ := base64.RawURLEncoding.DecodeString(head[:min(len(head), 8)&^3])
	return strings.HasPrefix(strings.TrimLeft(string(decoded), " \t\r\n"), "{")
}

// sameOrigin reports whether two URLs have the same scheme, host and port.
func sameOrigin(a, b string) bool {
	first, errFirst := url.Parse(a)
	second, errSecond := url.Parse(b)
	return errFirst == nil && errSecond == nil && token.Origin(first) == token.Origin(second)
}
