package policyauth

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/grammar"
	"github.com/policyauth/caddy-policy-auth/internal/identity"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/upstream"
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
//	    access <file>...
//	    policies <source>... { ... }
//	    config { <key> <value>... }
//	    cors [upstream] { ... }
//	    session { ... }
//	    login form { ... }
//	    login oidc <issuer> { ... }
//	    login url <template>
//	    body { max_size <size> }
//	    error_pages [<dir>|delegate|bare] { ... }
//	    identity_headers { <Header> <field> }
//	    forward_credentials
//	    allow_ambiguous_paths <flag>...
//	    insecure_http
//	    conceal
//	    shared_cache
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.ArgErr()
	}
	return grammar.Block(d, "policy_auth", h.words())
}

// words is the directive's grammar: what each subdirective sets.
func (h *Handler) words() grammar.Words {
	words := grammar.Words{
		"access":                grammar.Strings(&h.Access),
		"policies":              h.parsePolicies,
		"config":                h.parseConfig,
		"cors":                  h.parseCORS,
		"login":                 h.parseLogin,
		"body":                  h.parseBody,
		"error_pages":           h.parseErrorPages,
		"identity_headers":      h.parseIdentityHeaders,
		"forward_credentials":   grammar.Flag(&h.ForwardCredentials),
		"allow_ambiguous_paths": h.parseAmbiguousPaths,
		"insecure_http":         grammar.Flag(&h.InsecureHTTP),
		"conceal":               grammar.Flag(&h.Conceal),
		"shared_cache":          grammar.Flag(&h.SharedCache),
	}
	for _, info := range caddy.GetModules(authn.Namespace) {
		words[info.ID.Name()] = h.parseAuthenticator
	}
	return words
}

// parseAuthenticator hands a method's lines to its own module.
func (h *Handler) parseAuthenticator(d *caddyfile.Dispenser) error {
	name := d.Val()
	module, err := caddyfile.UnmarshalModule(d, authn.Namespace+"."+name)
	if err != nil {
		return err
	}
	h.AuthenticatorsRaw = append(h.AuthenticatorsRaw, caddyconfig.JSONModuleObject(module, "method", name, nil))
	return nil
}

func (h *Handler) parsePolicies(d *caddyfile.Dispenser) error {
	sources, err := grammar.Several(d)
	if err != nil {
		return err
	}
	if h.Policies == nil {
		h.Policies = new(Policies)
	}
	p, line := h.Policies, d.Token()
	p.Sources = append(p.Sources, sources...)
	err = grammar.Block(d, "policies", grammar.Words{
		"decision":       grammar.String(&p.Decision),
		"timeout":        grammar.Duration(&p.Timeout),
		"reload":         grammar.Choice(&p.Reload, "watch", "off"),
		"builtins":       p.parseBuiltins,
		"opa_envoy":      grammar.Flag(&p.OPAEnvoy),
		"claims_schema":  grammar.String(&p.ClaimsSchema),
		"require_tests":  grammar.Flag(&p.RequireTests),
		"decision_cache": p.parseDecisionCache,
	})
	if err != nil {
		return err
	}
	return grammar.At(line, h.policyConfig().Check())
}

// parseBuiltins parses
//
//	builtins allow <name>...
func (p *Policies) parseBuiltins(d *caddyfile.Dispenser) error {
	if !d.NextArg() || d.Val() != "allow" {
		return d.SyntaxErr("builtins allow <name>...")
	}
	return grammar.Strings(&p.Builtins)(d)
}

// parseDecisionCache parses
//
//	decision_cache off|<size>
//
// A size has a unit: 16 alone would be sixteen bytes.
func (p *Policies) parseDecisionCache(d *caddyfile.Dispenser) error {
	if p.DecisionCache != 0 {
		return d.Err("decision_cache is set twice")
	}
	value, err := grammar.One(d)
	if err != nil {
		return err
	}
	if value == "off" {
		p.DecisionCache = policy.NoCache
		return nil
	}
	_, bare := strconv.ParseFloat(value, 64)
	size, err := humanize.ParseBytes(value)
	if err != nil || bare == nil || size < policy.MinCache || size > math.MaxInt64 {
		return d.Errf("decision_cache wants off, or a size of at least 1MiB with its unit, such as 16MiB, not %q", value)
	}
	p.DecisionCache = int64(size)
	return nil
}

func (h *Handler) parseConfig(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	if h.Config == nil {
		h.Config = make(map[string]any)
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		key := d.Val()
		if _, twice := h.Config[key]; twice {
			return d.Errf("config key %s is set twice", key)
		}
		var values []any
		for d.NextArg() {
			values = append(values, d.ScalarVal())
		}
		switch len(values) {
		case 0:
			return d.Errf("config key %s has no value", key)
		case 1:
			h.Config[key] = values[0]
		default:
			h.Config[key] = values
		}
	}
	return nil
}

func (h *Handler) parseCORS(d *caddyfile.Dispenser) error {
	if h.CORS != nil {
		return d.Err("cors is set twice")
	}
	h.CORS = new(CORS)
	c := h.CORS
	for d.NextArg() {
		if d.Val() != "upstream" || c.Upstream {
			return d.Errf("%s", grammar.Unknown("argument of cors", d.Val(), []string{"upstream"}))
		}
		c.Upstream = true
	}
	if c.Upstream {
		return grammar.NoBlock(d, "cors upstream")
	}
	line := d.Token()
	err := grammar.Block(d, "cors", grammar.Words{
		"origins":     grammar.Strings(&c.Origins),
		"methods":     grammar.Strings(&c.Methods),
		"headers":     grammar.Strings(&c.Headers),
		"expose":      grammar.Strings(&c.Expose),
		"credentials": grammar.Flag(&c.Credentials),
		"max_age":     grammar.Duration(&c.MaxAge),
	})
	if err != nil {
		return err
	}
	if _, err := c.build(nil); err != nil {
		return grammar.At(line, err)
	}
	return nil
}

func (h *Handler) parseBody(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	if h.Body == nil {
		h.Body = new(Body)
	}
	return grammar.Block(d, "body", grammar.Words{"max_size": grammar.Size(&h.Body.MaxSize)})
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
		return d.Errf("%s", grammar.Unknown("kind of login", kind, kinds))
	}
	module, err := caddyfile.UnmarshalModule(d, authn.LoginNamespace+"."+kind)
	if err != nil {
		return err
	}
	h.LoginRaw = append(h.LoginRaw, caddyconfig.JSONModuleObject(module, "method", kind, nil))
	if err := authn.CheckLogins(h.LoginRaw); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (h *Handler) parseErrorPages(d *caddyfile.Dispenser) error {
	if h.ErrorPages != nil {
		return d.Err("error_pages is set twice")
	}
	h.ErrorPages = new(ErrorPages)
	e := h.ErrorPages
	if d.NextArg() {
		switch value := d.Val(); value {
		case "delegate", "bare":
			e.Mode = value
		default:
			e.Dir = value
		}
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	return grammar.Block(d, "error_pages", grammar.Words{"brand": e.parseBrand})
}

func (e *ErrorPages) parseBrand(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	line := d.Token()
	b := &e.Brand
	err := grammar.Block(d, "brand", grammar.Words{
		"name":               grammar.String(&b.Name),
		"logo":               grammar.String(&b.Logo),
		"color":              grammar.String(&b.Color),
		"support_url":        grammar.String(&b.SupportURL),
		"request_access_url": grammar.String(&b.RequestAccessURL),
		"home_url":           grammar.String(&b.HomeURL),
	})
	if err != nil {
		return err
	}
	return grammar.At(line, b.Validate())
}

func (h *Handler) parseIdentityHeaders(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	if h.IdentityHeaders == nil {
		h.IdentityHeaders = make(map[string]string)
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		field, err := grammar.One(d)
		if err != nil {
			return err
		}
		if _, err := identity.ParseField(field); err != nil {
			return d.WrapErr(err)
		}
		if _, twice := h.IdentityHeaders[name]; twice {
			return d.Errf("identity header %s is set twice", name)
		}
		h.IdentityHeaders[name] = field
		if _, err := upstream.New(h.IdentityHeaders); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

func (h *Handler) parseAmbiguousPaths(d *caddyfile.Dispenser) error {
	flags, err := grammar.Several(d)
	for _, flag := range flags {
		if !slices.Contains(request.RefusedFlags(), flag) {
			return d.Errf("%s", unknownFlag(flag))
		}
	}
	h.AllowAmbiguousPaths = append(h.AllowAmbiguousPaths, flags...)
	return err
}

// unknownFlag says that a word is no path flag.
func unknownFlag(word string) string {
	return grammar.Unknown("path flag", word, request.RefusedFlags())
}

// Interface guards.
var (
	_ caddyfile.Unmarshaler = (*Handler)(nil)
)
