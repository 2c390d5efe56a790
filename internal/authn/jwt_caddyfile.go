package authn

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// UnmarshalCaddyfile sets up the method from Caddyfile tokens. Syntax:
//
//	jwt <issuer>|any {
//	    jwks_url <url>
//	    jwks_bearer {file.<path>}
//	    discovery_url <url>
//	    tls_ca <file>
//	    jwks_file <file>
//	    key_file <file>...
//	    secret <secret>
//	    max_stale <duration>
//	    audience <audience>...|any
//	    resource <url> {
//	        scopes <scope>...
//	        name <name>
//	        documentation <url>
//	    }
//	    algorithms <name>...
//	    leeway <duration>
//	    max_token_age <duration>
//	    typ <type>
//	    from bearer | basic_password | header <name> | cookie <name> | query <name>
//	    map <field> <source>...
//	    require <claim> <value>...
//	    require_dpop
//	    require_certificate_binding
//	    unknown_issuer pass
//	    challenge off
//	}
func (j *JWT) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the method's name
	var err error
	if j.Issuer, err = caddyfileutil.OneArg(d); err != nil {
		return d.Err("jwt wants one issuer, such as jwt https://id.example.com, or jwt any")
	}
	return caddyfileutil.ValidatedBlock(d, "jwt", j.parseBinding(caddyfileutil.Subdirectives{
		"jwks_url":      caddyfileutil.String(&j.JWKSURL),
		"jwks_bearer":   caddyfileutil.String(&j.JWKSBearer),
		"discovery_url": caddyfileutil.String(&j.DiscoveryURL),
		"tls_ca":        caddyfileutil.String(&j.TLSCA),
		"jwks_file":     caddyfileutil.String(&j.JWKSFile),
		"max_stale":     caddyfileutil.Duration(&j.MaxStale),
		"secret":        caddyfileutil.String(&j.Secret),
		"key_file":      caddyfileutil.Strings(&j.KeyFiles),
		"audience":      caddyfileutil.Strings(&j.Audience),
		"resource":      j.parseResource,
		"algorithms":    caddyfileutil.Strings(&j.Algorithms),
		"leeway":        caddyfileutil.Duration(&j.Leeway),
		"max_token_age": caddyfileutil.Duration(&j.MaxTokenAge),
		"typ":           caddyfileutil.String(&j.Typ),
		"from":          j.parseFrom,
		"map":           parseMap(&j.Map),
		"require":       j.parseRequire,
		"challenge":     j.ChallengeOption.parse(),

		"unknown_issuer": caddyfileutil.Enum(&j.UnknownIssuer, pass),
	}), j.check)
}

func (j *JWT) parseFrom(d *caddyfile.Dispenser) error {
	if j.From != "" {
		return d.Err("from is set twice")
	}
	args := d.RemainingArgs()
	if len(args) == 0 || len(args) > 2 {
		return d.Errf("from wants a place and, for header, cookie and query, one name, not %d arguments: from bearer, from basic_password, or such as from header X-Token", len(args))
	}
	if j.From = args[0]; len(args) == 2 {
		j.Name = args[1]
	}
	if _, err := j.source(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// source returns where tokens are.
func (j *JWT) source() ([]authenticator.Source, error) {
	named := map[string]func(string) authenticator.Source{"header": authenticator.FromHeader, "cookie": authenticator.FromCookie, "query": authenticator.FromQuery}[j.From]
	switch {
	case named != nil && !httpguts.ValidHeaderFieldName(j.Name):
		return nil, fmt.Errorf("from %s wants a name, such as from %s token, not %q", j.From, j.From, j.Name)
	case named != nil && named(j.Name).Check() != nil:
		return nil, fmt.Errorf("a token cannot be the whole of %s; bearer and basic_password read Authorization", j.Name)
	case named != nil:
		return []authenticator.Source{named(j.Name)}, nil
	case j.From != "" && j.From != "bearer" && j.From != "basic_password":
		return nil, errors.New(caddyfileutil.Unknown("place of a token", j.From, []string{"bearer", "basic_password", "header", "cookie", "query"}))
	case j.Name != "":
		return nil, fmt.Errorf("from %s takes no name", j.From)
	case j.From == "basic_password":
		return basicSources, nil
	}
	return tokenSources, nil
}

// parseMap adds a line of sources to the map at target, each a <path>, a
// <path>[].<member> or the keys of an object:
//
//	map <field> <path>|<path>[].<member>|keys:<path> [having <member>]...
func parseMap(target *map[string][]string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		args := d.RemainingArgs()
		if len(args) == 0 {
			return d.Err("map wants a field and a claim, such as map roles realm_access.roles")
		}
		field, sources := args[0], args[1:]
		if len(sources) == 0 {
			return d.Errf("map %s names no source: write a claim, such as map roles realm_access.roles", field)
		}
		sources, err := joinHaving(sources)
		if err != nil {
			return d.Errf("map %s: %v", field, err)
		}
		if *target == nil {
			*target = make(map[string][]string)
		}
		(*target)[field] = append((*target)[field], sources...)
		return nil
	}
}

// joinHaving makes one source of keys:<path>, having and a member.
func joinHaving(words []string) ([]string, error) {
	var sources []string
	for i := 0; i < len(words); i++ {
		switch {
		case words[i] != "having":
			sources = append(sources, words[i])
		case len(sources) == 0 || !strings.HasPrefix(sources[len(sources)-1], "keys:") || strings.Contains(sources[len(sources)-1], " having "):
			return nil, errors.New("having stands after keys:<path>, such as keys:my_roles having my_organization")
		case i+1 == len(words):
			return nil, errors.New("having names no member: write one, such as keys:my_roles having my_organization")
		default:
			i++
			sources[len(sources)-1] += " having " + words[i]
		}
	}
	return sources, nil
}

func (j *JWT) parseRequire(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.Err("require wants a claim and the values that it may hold, such as require team red blue")
	}
	if len(args) < 2 {
		return d.Errf("require %s names no value that the claim may hold", args[0])
	}
	j.Require = append(j.Require, Requirement{Claim: args[0], Values: args[1:]})
	return nil
}

// check reports what is wrong whatever the files hold.
func (j *JWT) check() error {
	switch {
	case j.Issuer == "":
		return errors.New("jwt: name the issuer of the tokens, or write any")
	case len(j.Audience) > 1 && slices.Contains(j.Audience, anyone):
		return fmt.Errorf("jwt %s: audience any accepts every audience and stands alone: remove any or the others", j.Issuer)
	}
	if err := cmp.Or(checkIssuer(j.Issuer), j.checkRequire(), j.ChallengeOption.check(), j.checkUnknownIssuer(), j.checkBinding(), checkFiles("secret", j.Secret, "jwks_bearer", j.JWKSBearer), j.checkKeys()); err != nil {
		return fmt.Errorf("jwt %s: %w", j.Issuer, err)
	}
	if err := j.checkResource(); err != nil {
		return fmt.Errorf("jwt %s: %w", j.Issuer, err)
	}
	if _, err := j.source(); err != nil {
		return fmt.Errorf("jwt %s: %w", j.Issuer, err)
	}
	if _, err := token.New(j.config(placeholderKeys(j.Secret != ""))); err != nil {
		return fmt.Errorf("jwt %s: %w", j.Issuer, err)
	}
	return nil
}

// checkUnknownIssuer reports a place or an issuer with which no issuer is unknown.
func (j *JWT) checkUnknownIssuer() error {
	switch {
	case j.UnknownIssuer == "":
		return nil
	case j.UnknownIssuer != pass:
		return errors.New(caddyfileutil.Unknown("value of unknown_issuer", j.UnknownIssuer, []string{pass}))
	case j.From != "" && j.From != "bearer":
		return fmt.Errorf("unknown_issuer pass is about bearer tokens, and from %s reads none; leave one of the two out", j.From)
	case j.Issuer == anyone:
		return errors.New("unknown_issuer pass: any knows every issuer; name the issuer, or leave unknown_issuer pass out")
	}
	return nil
}

// checkBinding reports a place from which no token with a DPoP proof is read.
func (j *JWT) checkBinding() error {
	if j.RequireDPoP && j.From != "" && j.From != "bearer" {
		return fmt.Errorf("require_dpop is about Authorization: DPoP, and from %s does not read it; leave one of the two out", j.From)
	}
	return nil
}

// checkFiles reports the first of some pairs of a word and its value that names a file
// in the form that Caddy takes for a part of the request's path.
func checkFiles(pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if err := caddyfileutil.CheckFilePlaceholder(pairs[i+1]); err != nil {
			return fmt.Errorf("%s: %w", pairs[i], err)
		}
	}
	return nil
}

// checkRequire returns an error for a *, which would match nothing.
func (j *JWT) checkRequire() error {
	for _, r := range j.Require {
		if slices.Contains(r.Values, "*") {
			return fmt.Errorf("require %s: * is no pattern and matches nothing; name the values that the claim may hold", r.Claim)
		}
	}
	return nil
}

// config returns what the verifier is made of.
func (j *JWT) config(keys token.KeySource) token.Config {
	config := token.Config{
		Issuer: j.Issuer, Audiences: j.Audience, Algorithms: j.Algorithms,
		Leeway: time.Duration(j.Leeway), MaxAge: time.Duration(j.MaxTokenAge),
		Type: j.Typ, Map: j.Map, SkippedClaims: logForeign("jwt", j.Issuer), Keys: keys,
	}
	if j.Issuer == anyone {
		config.Issuer = ""
	}
	if j.Resource != "" {
		config.Audiences = append(slices.Clone(j.Audience), j.Resource)
	}
	if len(j.Audience) == 1 && j.Audience[0] == anyone {
		config.Audiences, config.AnyAudience = nil, true
	}
	for _, r := range j.Require {
		config.Require = append(config.Require, token.Requirement{Claim: r.Claim, Values: r.Values})
	}
	return config
}
