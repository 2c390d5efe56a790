package policyauth

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/claimpath"
	"github.com/policyauth/caddy-policy-auth/internal/forward"
	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/settings"
)

func init() {
	httpcaddyfile.RegisterDirective("policy_auth", parseDirective)
	httpcaddyfile.RegisterDirectiveOrder("policy_auth", httpcaddyfile.Before, "basic_auth")
}

// parseDirective sets up the handler. Its matcher stays inside the handler,
// which runs for every request of the site, so that identity headers are
// stripped everywhere.
func parseDirective(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h.Next() // the directive's name
	matcher, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, err
	}
	handler := new(Handler)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	if len(matcher) > 0 {
		handler.MatcherSetsRaw = caddyhttp.RawMatcherSets{matcher}
	}
	return h.NewRoute(nil, handler), nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	policy_auth [<matcher>] {
//	    jwt <issuer>|any { ... }
//	    basic [<realm>] { ... }
//	    api_key { ... }
//	    app_passwords { ... }
//	    introspection <url> { ... }
//	    access <file>...
//	    policies <source>... { ... }
//	    config { <key> <value>... }
//	    cors [upstream] { ... }
//	    session { ... }
//	    login form { ... }
//	    login oidc <issuer> { ... }
//	    login url <template>
//	    links { ... }
//	    body { ... }
//	    error_pages [<dir>|delegate|bare] { ... }
//	    identity_headers {
//	        <Header> <field>
//	        encoding percent|rfc8187|omit
//	    }
//	    identity_jwt { ... }
//	    upstream_token access|id [<header>]
//	    me { ... }
//	    forward_credentials
//	    allow_ambiguous_paths <flag>...
//	    upgrades <token>...
//	    insecure_http
//	    conceal
//	    shared_cache
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.Errf("policy_auth takes a matcher such as /admin/* or @name and a block, not %q", d.Val())
	}
	return caddyfileutil.ValidatedBlock(d, "policy_auth", h.words(), func() error {
		if err := authn.CheckChallenges(h.AuthenticatorsRaw, len(h.LoginRaw) > 0); err != nil {
			return err
		}
		if err := h.checkUpstreamToken(); err != nil {
			return err
		}
		_, err := forward.NewIdentityHeaders(h.IdentityHeaders, forward.Encoding(h.IdentityHeadersEncoding))
		return err
	})
}

// words is the directive's grammar: what each subdirective sets.
func (h *Handler) words() caddyfileutil.Subdirectives {
	words := caddyfileutil.Subdirectives{
		"access":                h.parseAccess,
		"policies":              h.parsePolicies,
		"config":                h.parseConstants,
		"cors":                  once(&h.CORS, (*settings.CORS).Parse),
		"login":                 h.parseLogin,
		"links":                 once(&h.Links, (*authn.Links).Parse),
		"body":                  h.parseBody,
		"error_pages":           once(&h.ErrorPages, (*settings.ErrorPages).Parse),
		"identity_headers":      h.parseIdentityHeaders,
		"identity_jwt":          once(&h.IdentityJWT, (*settings.IdentityJWT).Parse),
		"upstream_token":        once(&h.UpstreamToken, (*settings.UpstreamToken).Parse),
		"me":                    once(&h.Me, (*settings.Me).Parse),
		"forward_credentials":   caddyfileutil.Flag(&h.ForwardCredentials),
		"allow_ambiguous_paths": h.parseAmbiguousPaths,
		"upgrades":              h.parseUpgrades,
		"insecure_http":         caddyfileutil.Flag(&h.InsecureHTTP),
		"conceal":               caddyfileutil.Flag(&h.Conceal),
		"shared_cache":          caddyfileutil.Flag(&h.SharedCache),
	}
	for _, info := range caddy.GetModules(authenticator.Namespace) {
		if name := info.ID.Name(); words[name] == nil { // a plugin's method does not replace a subdirective
			words[name] = h.parseAuthenticator
		}
	}
	return words
}

// parseAuthenticator hands a method's lines to its own module.
func (h *Handler) parseAuthenticator(d *caddyfile.Dispenser) error {
	name := d.Val()
	module, err := caddyfile.UnmarshalModule(d, authenticator.Namespace+"."+name)
	if err != nil {
		return err
	}
	h.AuthenticatorsRaw = append(h.AuthenticatorsRaw, caddyconfig.JSONModuleObject(module, "method", name, nil))
	return nil
}

func (h *Handler) parseAccess(d *caddyfile.Dispenser) error {
	if d.CountRemainingArgs() == 0 {
		return d.Err("access wants a file, such as access access.yaml; its rules stand in that file and not in a block")
	}
	if err := caddyfileutil.Strings(&h.Access)(d); err != nil {
		return err
	}
	return caddyfileutil.NoBlock(d, "access")
}

func (h *Handler) parsePolicies(d *caddyfile.Dispenser) error {
	if h.Policies == nil {
		h.Policies = new(settings.Policies)
	}
	return h.Policies.Parse(d, h.Access)
}

func (h *Handler) parseConstants(d *caddyfile.Dispenser) error {
	if h.Config == nil {
		h.Config = make(settings.Constants)
	}
	return h.Config.Parse(d)
}

func (h *Handler) parseBody(d *caddyfile.Dispenser) error {
	if h.Body == nil {
		h.Body = new(settings.Body)
	}
	return h.Body.Parse(d)
}

// once returns what parses a block that may stand once.
func once[Block any](block **Block, parse func(*Block, *caddyfile.Dispenser) error) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		if *block != nil {
			return d.Errf("%s is set twice; remove one, or merge the two", d.Val())
		}
		*block = new(Block)
		return parse(*block, d)
	}
}

// parseLogin hands a login's lines to the module of its kind:
//
//	login <kind> ...
func (h *Handler) parseLogin(d *caddyfile.Dispenser) error {
	var kinds []string
	for _, info := range caddy.GetModules(authn.LoginNamespace) {
		kinds = append(kinds, info.ID.Name())
	}
	if !d.NextArg() {
		return d.Errf("login wants a kind: %s", strings.Join(kinds, " "))
	}
	kind := d.Val()
	if !slices.Contains(kinds, kind) {
		return d.Errf("%s", caddyfileutil.Unknown("kind of login", kind, kinds))
	}
	line := *d
	module, err := caddyfile.UnmarshalModule(d, authn.LoginNamespace+"."+kind)
	if err != nil {
		return err
	}
	h.LoginRaw = append(h.LoginRaw, caddyconfig.JSONModuleObject(module, "method", kind, nil))
	if err := authn.CheckLogins(h.LoginRaw); err != nil {
		return line.WrapErr(err)
	}
	return nil
}

func (h *Handler) parseIdentityHeaders(d *caddyfile.Dispenser) error {
	if err := caddyfileutil.NoArgs(d, "identity_headers", "X-Auth-User username"); err != nil {
		return err
	}
	if h.IdentityHeaders == nil {
		h.IdentityHeaders = make(map[string]string)
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		if name == "encoding" { // a header of that name is written Encoding
			if err := caddyfileutil.Enum(&h.IdentityHeadersEncoding, forward.Encodings()...)(d); err != nil {
				return err
			}
			continue
		}
		field, err := parseField(d)
		if err != nil {
			return err
		}
		if _, twice := h.IdentityHeaders[name]; twice {
			return d.Errf("identity header %s is set twice", name)
		}
		h.IdentityHeaders[name] = field
		if _, err := forward.NewIdentityHeaders(h.IdentityHeaders, ""); err != nil {
			return d.WrapErr(err)
		}
	}
	if len(h.IdentityHeaders) == 0 && h.IdentityHeadersEncoding == "" { // with an encoding, the whole block is judged
		return d.Err("identity_headers has no header: write lines such as X-Auth-User username")
	}
	return nil
}

// parseField returns the identity field of a line of identity_headers.
func parseField(d *caddyfile.Dispenser) (string, error) {
	header, args := d.Val(), d.RemainingArgs()
	if len(args) != 1 {
		return "", d.Errf("identity header %s wants one field, not %d, such as %s username; fields: %s", header, len(args), header, strings.Join(claimpath.FieldNames(), " "))
	}
	field := args[0]
	if _, err := claimpath.ParseField(field); err != nil && !strings.HasPrefix(field, "claims.") {
		return "", d.Errf("%s", caddyfileutil.Unknown("identity field", field, claimpath.FieldNames()))
	} else if err != nil {
		return "", d.WrapErr(err)
	}
	return field, nil
}

func (h *Handler) parseAmbiguousPaths(d *caddyfile.Dispenser) error {
	if d.CountRemainingArgs() == 0 {
		return d.Errf("allow_ambiguous_paths wants at least one flag: %s", strings.Join(request.AllowableFlags(), " "))
	}
	flags, err := caddyfileutil.AtLeastOneArg(d)
	for _, flag := range flags {
		if !slices.Contains(request.AllowableFlags(), flag) {
			return d.Errf("%s", unknownFlag(flag))
		}
	}
	h.AllowAmbiguousPaths = append(h.AllowAmbiguousPaths, flags...)
	return err
}

func (h *Handler) parseUpgrades(d *caddyfile.Dispenser) error {
	if d.CountRemainingArgs() == 0 {
		return d.Err("upgrades wants at least one protocol, such as upgrades tcp")
	}
	tokens, err := caddyfileutil.AtLeastOneArg(d)
	for _, token := range tokens {
		if err := request.CheckUpgrade(token); err != nil {
			return d.Errf("upgrades: %v", err)
		}
		if slices.ContainsFunc(h.Upgrades, func(earlier string) bool { return strings.EqualFold(earlier, token) }) {
			return d.Errf("upgrades: %s is named twice; upper and lower case are one protocol", token)
		}
		h.Upgrades = append(h.Upgrades, token)
	}
	return err
}

// unknownFlag says that a word is no path flag.
func unknownFlag(word string) string {
	return caddyfileutil.Unknown("path flag", word, request.AllowableFlags())
}

// Interface guards.
var (
	_ caddyfile.Unmarshaler = (*Handler)(nil)
)
