package authn

import (
	"errors"
	"fmt"

	"golang.org/x/net/http/httpguts"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
)

// TokenPlace says where requests have tokens, for the methods that accept tokens.
type TokenPlace struct {
	// Where tokens are: "bearer" (Authorization: Bearer, or DPoP with a proof),
	// "basic_password" (the password of Basic), "header", "cookie" or "query" (each with
	// a name). Default: bearer.
	From string `json:"from,omitempty"`

	// The name of the header, the cookie or the query parameter.
	Name string `json:"name,omitempty"`
}

// parse parses
//
//	from bearer | basic_password | header <name> | cookie <name> | query <name>
func (p *TokenPlace) parse(d *caddyfile.Dispenser) error {
	if p.From != "" {
		return d.Err("from is set twice")
	}
	args := d.RemainingArgs()
	if len(args) == 0 || len(args) > 2 {
		return d.Errf("from wants a place and, for header, cookie and query, one name, not %d arguments: from bearer, from basic_password, or such as from header X-Token", len(args))
	}
	if p.From = args[0]; len(args) == 2 {
		p.Name = args[1]
	}
	if _, err := p.source(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// source returns where tokens are.
func (p *TokenPlace) source() ([]authenticator.Source, error) {
	named := map[string]func(string) authenticator.Source{"header": authenticator.FromHeader, "cookie": authenticator.FromCookie, "query": authenticator.FromQuery}[p.From]
	switch {
	case named != nil && !httpguts.ValidHeaderFieldName(p.Name):
		return nil, fmt.Errorf("from %s wants a name, such as from %s token, not %q", p.From, p.From, p.Name)
	case named != nil && named(p.Name).Check() != nil:
		return nil, fmt.Errorf("a token cannot be the whole of %s; bearer and basic_password read Authorization", p.Name)
	case named != nil:
		return []authenticator.Source{named(p.Name)}, nil
	case p.From != "" && p.From != "bearer" && p.From != "basic_password":
		return nil, errors.New(caddyfileutil.Unknown("place of a token", p.From, []string{"bearer", "basic_password", "header", "cookie", "query"}))
	case p.Name != "":
		return nil, fmt.Errorf("from %s takes no name", p.From)
	case p.From == "basic_password":
		return basicSources, nil
	}
	return tokenSources, nil
}

// token returns the token in a credential; a password of Basic that cannot be decoded
// is "".
func (p *TokenPlace) token(c authenticator.Credential) string {
	if p.From != "basic_password" {
		return c.Value
	}
	_, password, _ := decodeBasic(c.Value)
	return password
}

// challenge returns how a 401 asks for tokens, unless it asks for bearer tokens: a cookie
// and a parameter have no scheme, and a bearer token would do as well.
func (p *TokenPlace) challenge() (authenticator.Challenge, bool) {
	switch p.From {
	case "basic_password":
		return basicChallenge(defaultRealm), true
	case "header":
		return keyChallenge(p.Name), true
	}
	return authenticator.Challenge{}, false
}
