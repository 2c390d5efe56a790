package authn

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/introspection"
	"github.com/policyauth/caddy-policy-auth/internal/oidc"
	"github.com/policyauth/caddy-policy-auth/internal/pool"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// introspectors are the clients in use, shared between sites and across reloads.
var introspectors = pool.New[*introspection.Client]()

// UnmarshalCaddyfile sets up the method from Caddyfile tokens. Syntax:
//
//	introspection <url> {
//	    issuer <issuer>
//	    client_id <id>
//	    client_secret <secret>
//	    client_auth_method basic|post|private_key_jwt
//	    client_key <file>
//	    audience <audience>...|any
//	    cache <duration>|off
//	    map <field> <source>...
//	    require <member> <value>...
//	    from bearer | basic_password | header <name> | cookie <name> | query <name>
//	    require_dpop
//	    require_certificate_binding
//	    tls_ca <file>
//	    challenge off
//	}
func (i *Introspection) UnmarshalCaddyfile(d *caddyfile.Dispenser) (err error) {
	d.Next() // the method's name
	if i.URL, err = caddyfileutil.OneArg(d); err != nil {
		return d.Err("introspection wants the URL of the endpoint, such as introspection https://id.example.com/oauth2/introspect")
	}
	return caddyfileutil.ValidatedBlock(d, "introspection", i.parseBinding(caddyfileutil.Subdirectives{
		"issuer":             caddyfileutil.String(&i.Issuer),
		"client_id":          caddyfileutil.String(&i.ClientID),
		"client_secret":      caddyfileutil.String(&i.ClientSecret),
		"client_auth_method": caddyfileutil.Enum(&i.ClientAuthMethod, oidc.AuthMethods...),
		"client_key":         parseClientKey(&i.ClientKey),
		"audience":           caddyfileutil.Strings(&i.Audience),
		"cache":              i.parseCache,
		"map":                parseMap(&i.Map),
		"require":            parseRequire(&i.Require),
		"from":               i.TokenPlace.parse,
		"tls_ca":             caddyfileutil.String(&i.TLSCA),
		"challenge":          i.ChallengeOption.parse(),
	}), i.check)
}

// parseCache parses
//
//	cache <duration>|off
func (i *Introspection) parseCache(d *caddyfile.Dispenser) error {
	if i.Cache != 0 {
		return d.Err("cache is set twice")
	}
	if args := d.RemainingArgs(); len(args) != 1 {
		return d.Errf("cache wants a duration such as 30s, or off, not %d arguments", len(args))
	}
	if d.Val() == off {
		i.Cache = noCache
		return nil
	}
	duration, err := caddy.ParseDuration(d.Val())
	if err != nil || duration <= 0 {
		return d.Errf("cache wants a positive duration such as 30s, or off, not %q", d.Val())
	}
	i.Cache = caddy.Duration(duration)
	return nil
}

// check reports what is wrong whatever the secret is. It does not use the network.
func (i *Introspection) check() error {
	err := i.checkWords()
	if err == nil {
		var config introspection.Config
		if config, err = i.config(); err == nil {
			var client *introspection.Client
			if client, err = introspection.New(config); err == nil {
				return client.Close()
			}
		}
	}
	return fmt.Errorf("introspection: %w", err)
}

func (i *Introspection) checkWords() error {
	switch {
	case i.URL == "":
		return errors.New("name the URL of the endpoint")
	case i.Issuer == anyone:
		return errors.New("issuer any: leave issuer out, or name the issuer of the tokens")
	case len(i.Audience) > 1 && slices.Contains(i.Audience, anyone):
		return errors.New("audience any accepts every audience and stands alone: remove any or the others")
	case i.Cache < 0 && i.Cache != noCache:
		return errors.New("cache: want a positive duration, or -1 for none")
	}
	_, err := i.source()
	return cmp.Or(err, checkIssuer(i.Issuer), i.checkBinding(&i.TokenPlace), checkFiles("client_id", i.ClientID, "client_secret", i.ClientSecret), checkRequire(i.Require), i.ChallengeOption.check())
}

// config returns how the endpoint is asked, with the files read and the placeholders not
// replaced.
func (i *Introspection) config() (config introspection.Config, err error) {
	config = introspection.Config{
		URL:   i.URL,
		Auth:  oidc.ClientAuth{Method: i.ClientAuthMethod, ID: i.ClientID, Secret: i.ClientSecret, Audience: i.Issuer},
		Cache: time.Duration(cmp.Or(i.Cache, caddy.Duration(defaultCache))),
		Claims: token.Config{
			Issuer: i.Issuer, Audiences: i.Audience, Map: i.Map, SkippedClaims: logForeign("introspection", i.URL),
			Require: requirements(i.Require),
		},
		Report: func(err error) {
			caddy.Log().Named("http.handlers.policy_auth").Error("token introspection failed", zap.String("url", i.URL), zap.Error(err))
		},
	}
	if slices.Equal(i.Audience, []string{anyone}) {
		config.Claims.Audiences, config.Claims.AnyAudience = nil, true
	}
	if config.Roots, err = readRoots(i.TLSCA); err == nil {
		config.Auth.Key, err = readClientKey(i.ClientKey)
	}
	return config, err
}

// Provision takes the client; it does not use the network.
func (i *Introspection) Provision(caddy.Context) (err error) {
	if err := i.check(); err != nil {
		return err
	}
	if i.sources, err = i.source(); err != nil {
		return err
	}
	config, err := i.config()
	if err != nil {
		return fmt.Errorf("introspection: %w", err)
	}
	for _, field := range []struct {
		name  string
		value *string
	}{{"client_id", &config.Auth.ID}, {"client_secret", &config.Auth.Secret}} {
		if *field.value == "" {
			continue // check has said whether it may be
		}
		if *field.value, err = caddy.NewReplacer().ReplaceOrErr(*field.value, true, true); err != nil {
			return fmt.Errorf("introspection: %s: %w", field.name, err)
		}
	}
	name := []any{i.URL, i.Issuer, config.Roots.Digest(), config.Auth.ID, config.Auth.Secret, i.ClientAuthMethod, config.Auth.Key.Digest(), i.Audience, i.Map, i.Require, config.Cache}
	i.client, i.done, err = introspectors.Acquire(name, func() (*introspection.Client, error) { return introspection.New(config) })
	if err != nil {
		return fmt.Errorf("introspection: %w", err)
	}
	return nil
}
