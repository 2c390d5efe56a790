package authn

import (
	"net/url"
	"slices"
	"strings"
)

// sharedIssuers are issuers with public sign-up: any account gets a token, so that
// a valid token alone proves nothing.
var sharedIssuers = []string{
	"https://accounts.google.com",
	"https://token.actions.githubusercontent.com",
	"https://gitlab.com",
	"https://appleid.apple.com",
	"https://login.microsoftonline.com/common/v2.0",
	"https://login.microsoftonline.com/organizations/v2.0",
	"https://login.microsoftonline.com/consumers/v2.0",
	"https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0", // consumers, as their tokens say
}

// PublicSignUp implements authenticator.PublicSignUp: it reports whether the method
// accepts every account of a shared issuer.
func (j *JWT) PublicSignUp() bool {
	return len(j.Require) == 0 && (isShared(j.Issuer) || j.Issuer == anyone && hasSharedKeys(j.JWKSURL))
}

// hasSharedKeys reports whether the keys at a URL are those of a shared issuer.
func hasSharedKeys(jwksURL string) bool {
	u, err := url.Parse(jwksURL)
	return err == nil && slices.ContainsFunc(append([]string{"https://www.googleapis.com"}, sharedIssuers...), func(issuer string) bool {
		shared, err := url.Parse(issuer)
		return err == nil && strings.EqualFold(shared.Hostname(), u.Hostname())
	})
}

// isShared reports whether an issuer is a shared one.
func isShared(issuer string) bool {
	return slices.Contains(sharedIssuers, strings.TrimSuffix(issuer, "/"))
}
