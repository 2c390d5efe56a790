package authn

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/apppassword"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// pass is the one value of unknown_issuer.
const pass = "pass"

// foreignBearers tells bearer tokens that an application behind the site issued from
// those that the site's methods verify.
type foreignBearers struct {
	issuers []string               // of all jwt methods, as foldIssuer has them
	named   []*JWT                 // those that name their issuer
	session []authenticator.Source // where a session's cookie is
	// appPasswords: the site has app_passwords.
	appPasswords bool
}

// newForeignBearers returns nil unless a jwt method says unknown_issuer pass.
// It fails if another method would judge such tokens, or if there is no session
// to know the caller by.
func newForeignBearers(methods []Method) (*foreignBearers, error) {
	passes := func(m Method) bool { j, ok := m.Authenticator.(*JWT); return ok && j.UnknownIssuer == pass }
	if !slices.ContainsFunc(methods, passes) {
		return nil, nil
	}
	f := new(foreignBearers)
	for _, method := range methods {
		switch m := method.Authenticator.(type) {
		case *JWT:
			if m.Issuer == anyone && slices.Contains(m.Sources(), bearerSources[0]) {
				return nil, errors.New("unknown_issuer pass: jwt any knows every issuer; leave one of the two out")
			}
			f.issuers = append(f.issuers, foldIssuer(m.Issuer))
			if m.Issuer != anyone {
				f.named = append(f.named, m)
			}
			continue
		case *Session:
			f.session = m.Sources()
			continue
		case *AppPasswords:
			f.appPasswords = true // which have their own prefix
			continue
		}
		if slices.Contains(method.Sources(), bearerSources[0]) {
			return nil, fmt.Errorf("unknown_issuer pass: %s takes bearer tokens of any form, so that none is unknown; read its credentials from another place, or leave unknown_issuer pass out", method.Name)
		}
	}
	if f.session == nil {
		return nil, errors.New("unknown_issuer pass: such tokens pass beside a session alone, and no login makes one; write login form or login oidc beside it, or leave unknown_issuer pass out")
	}
	return f, nil
}

// foldIssuer returns the form in which issuers are compared: without spaces and
// slashes around it, and in lower case.
func foldIssuer(issuer string) string {
	return strings.ToLower(strings.Trim(strings.TrimSpace(issuer), "/"))
}

// owns reports whether a bearer token belongs to another application: it is not a
// JWT, or no method names its issuer.
func (f *foreignBearers) owns(raw string) bool {
	if f.appPasswords && apppassword.HasPrefix(raw) {
		return false
	}
	if slices.ContainsFunc(f.named, func(j *JWT) bool { _, known := j.verifier.VerifyCached(raw); return known }) {
		return false // an issuer of ours is the one of each token that is remembered
	}
	if dots := strings.Count(raw, "."); dots != 2 && dots != 4 {
		return true
	}
	issuer, readable := token.Parse(raw).Issuer()
	return readable && !slices.Contains(f.issuers, foldIssuer(issuer))
}

// besideSession authenticates a request by its session if its bearer token is of
// another application. It returns false if a method has to verify the token: it is not
// foreign, or the request has no session.
func (c *Chain) besideSession(r *http.Request, credential authenticator.Credential) (Identified, bool) {
	if c.foreign == nil || credential.Source != bearerSources[0] || !c.foreign.owns(credential.Value) {
		return Identified{}, false
	}
	caller := c.identifyAmbient(r, c.foreign.session, true)
	if caller.Verdict == authenticator.Absent {
		return Identified{}, false
	}
	caller.ForeignBearer = caller.Verdict == authenticator.Accepted
	return caller, true
}
