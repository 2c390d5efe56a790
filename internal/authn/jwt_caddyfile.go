package authn

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

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
		"from":          j.TokenPlace.parse,
		"map":           parseMap(&j.Map),
		"require":       parseRequire(&j.Require),
		"challenge":     j.ChallengeOption.parse(),

		"unknown_issuer": caddyfileutil.Enum(&j.UnknownIssuer, pass),
	}), j.check)
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

// check reports what is wrong whatever the files hold.
func (j *JWT) check() error {
	switch {
	case j.Issuer == "":
		return errors.New("jwt: name the issuer of the tokens, or write any")
	case len(j.Audience) > 1 && slices.Contains(j.Audience, anyone):
		return fmt.Errorf("jwt %s: audience any accepts every audience and stands alone: remove any or the others", j.Issuer)
	}
	if err := cmp.Or(checkIssuer(j.Issuer), checkRequire(j.Require), j.ChallengeOption.check(), j.checkUnknownIssuer(), j.checkBinding(&j.TokenPlace), checkFiles("secret", j.Secret, "jwks_bearer", j.JWKSBearer), j.checkKeys()); err != nil {
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

// config returns what the verifier is made of.
func (j *JWT) config(keys token.KeySource) token.Config {
	config := token.Config{
		Issuer: j.Issuer, Audiences: j.Audience, Algorithms: j.Algorithms,
		Leeway: time.Duration(j.Leeway), MaxAge: time.Duration(j.MaxTokenAge),
		Type: j.Typ, Map: j.Map, SkippedClaims: logForeign("jwt", j.Issuer), Keys: keys,
		Require: requirements(j.Require),
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
	return config
}
