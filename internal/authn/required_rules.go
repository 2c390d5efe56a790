package authn

import (
	"errors"
	"fmt"
)

// CheckRules returns an error if the methods need rules that say who is allowed, and the
// site has none. Own is its session method, or nil.
func (c *Chain) CheckRules(own *Session, rules bool) error {
	if rules {
		return nil
	}
	if c.Empty() {
		return errors.New("policy_auth has no method of authentication and no rules, so that every request would be refused: write at least one of jwt, basic, api_key, client_certificate, login form, login oidc, access or policies; login url alone identifies no caller")
	}
	if own != nil && own.OpenLogin() != "" {
		return fmt.Errorf("every person can get an account for %s, so that being signed in is not enough: say which callers are allowed, by access or policies", own.OpenLogin())
	}
	if method := c.PublicSignUp(); method != "" {
		return fmt.Errorf("every person can get a token of the issuer of %s, so that being signed in is not enough: say which callers are allowed, by require, access or policies", method)
	}
	return nil
}

// CheckForwarding returns an error if the site passes credentials on, although a method
// accepts tokens for a protected resource.
func (c *Chain) CheckForwarding(forwardCredentials bool) error {
	if resources := c.Resources(); forwardCredentials && len(resources) > 0 {
		return fmt.Errorf("forward_credentials: a token for the protected resource %s must not be passed on (RFC 8707, section 2): remove forward_credentials, or resource", resources[0])
	}
	return nil
}
