package authn

import (
	"net/url"
	"slices"
	"strings"
)

// sharedIssuers are issuers from which anybody can get a token, so that being
// known to them means nothing by itself.
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

// AcceptsAnybody reports whether strangers can make themselves known.
func (j *JWT) AcceptsAnybody() bool {
	return len(j.Require) == 0 && (isShared(j.Issuer) || j.Issuer == anyone && hasSharedKeys(j.JWKSURL))
}

// hasSharedKeys reports whether the keys at a URL sign tokens for anybody.
func hasSharedKeys(jwksURL string) bool {
	u, err := url.Parse(jwksURL)
	return err == nil && slices.ContainsFunc(append([]string{"https://www.googleapis.com"}, sharedIssuers...), func(issuer string) bool {
		shared, err := url.Parse(issuer)
		return err == nil && strings.EqualFold(shared.Hostname(), u.Hostname())
	})
}

// isShared reports whether anybody can get a token from an issuer.
func isShared(issuer string) bool {
	return slices.Contains(sharedIssuers, strings.TrimSuffix(issuer, "/"))
}
