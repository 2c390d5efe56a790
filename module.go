// Package policyauth is a Caddy HTTP handler for authentication and authorization.
// It identifies the caller, checks an access table or Rego policies, and answers
// denied requests itself with the right status, challenge, page and CORS headers.
//
// The handler is the module http.handlers.policy_auth; in a Caddyfile it is the
// directive policy_auth. Authentication methods are modules of their own, in the
// namespace http.policy_auth.authenticators; package authenticator says how another
// plugin adds one.
package policyauth

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/internal/admin"
	"github.com/policyauth/caddy-policy-auth/internal/authn"
	_ "github.com/policyauth/caddy-policy-auth/internal/command" // caddy policy-auth
	"github.com/policyauth/caddy-policy-auth/internal/cors"
	"github.com/policyauth/caddy-policy-auth/internal/deny"
	"github.com/policyauth/caddy-policy-auth/internal/forward"
	"github.com/policyauth/caddy-policy-auth/internal/guest"
	"github.com/policyauth/caddy-policy-auth/internal/identityjwt"
	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/me"
	"github.com/policyauth/caddy-policy-auth/internal/observe"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/placement"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/settings"
	"github.com/policyauth/caddy-policy-auth/internal/sharelink"
)

func init() {
	caddy.RegisterModule(Handler{})
}

// The blocks of the directive, for programs that write configurations.
type (
	// Policies says where policies are and how they decide.
	Policies = settings.Policies
	// CORS says whose pages may call a site.
	CORS = settings.CORS
	// Body bounds what policies read of a body.
	Body = settings.Body
	// ErrorPages configures the responses to denied requests.
	ErrorPages = settings.ErrorPages
	// IdentityJWT tells the next handler who is calling by a signed JWT.
	IdentityJWT = settings.IdentityJWT
	// Me shows the caller to scripts of the site's pages.
	Me = settings.Me
	// UpstreamToken passes the provider's own token on.
	UpstreamToken = settings.UpstreamToken
)

// Handler authenticates requests and checks access rules before it passes them to
// the next handler. It answers denied requests itself.
//
// Leaving a field out never grants access: without authenticators every caller is
// anonymous, and without access and policies only authenticated callers are allowed.
type Handler struct {
	// Selects the requests that are authenticated and authorized. All others pass to
	// the next handler. Identity headers are stripped and CORS headers set for every
	// request. Default: every request.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	// The authentication methods. Methods that read the same place (such as the bearer
	// tokens of two issuers) are asked in this order. A request with an invalid
	// explicit credential is denied, and no other method is tried. Default: none.
	AuthenticatorsRaw []json.RawMessage `json:"authenticators,omitempty" caddy:"namespace=http.policy_auth.authenticators inline_key=method"`

	// Files with access tables. They are watched and replaced as one. A missing or
	// wrong file is an error at load; later, the last good table stays in use.
	// Default: none.
	Access []string `json:"access,omitempty"`

	// Rego policies. If there are any, they decide, and an access table counts only
	// where a policy asks it. Default: none.
	Policies *settings.Policies `json:"policies,omitempty"`

	// Constants for policies, as input.config. Placeholders in texts are replaced at
	// load; an unknown or empty one is an error. Default: none.
	Config settings.Constants `json:"config,omitempty"`

	// The origins that may call this site from a browser. Default: none; a preflight
	// is then an ordinary request.
	CORS *settings.CORS `json:"cors,omitempty"`

	// Where users sign in: on the site's own pages below /.policy_auth/, by one or
	// more methods, or on one external page. Browser navigations of anonymous callers
	// are redirected there; everything else gets 401. Default: none.
	LoginRaw []json.RawMessage `json:"login,omitempty" caddy:"namespace=http.policy_auth.logins inline_key=method"`

	// Share links, which give guests temporary access to parts of the site. Default: none.
	Links *authn.Links `json:"links,omitempty"`

	// Limits of the request body that policies can read. The body is buffered only if
	// a loaded policy reads it, or where a rule of an access table with tools decides.
	Body *settings.Body `json:"body,omitempty"`

	// The answer to denied requests. Default: the built-in pages.
	ErrorPages *settings.ErrorPages `json:"error_pages,omitempty"`

	// Headers that tell the next handler who is calling: from the name of a header to
	// an identity field (id username name email kind issuer method roles groups scopes
	// claims.<path>). Each of these headers is removed from the client's request, in
	// every spelling, on every request. Default: none.
	IdentityHeaders map[string]string `json:"identity_headers,omitempty"`

	// How identity headers represent values that are not printable ASCII: "percent"
	// (percent-encoded UTF-8; a percent sign is always encoded, and so is a comma in a
	// list item), "rfc8187" (such values as UTF-8''..., as in RFC 8187) or "omit" (the
	// header is left out, with a warning). Values with CR, LF or NUL are always left
	// out. Default: percent.
	IdentityHeadersEncoding string `json:"identity_headers_encoding,omitempty"`

	// A signed JWT that tells the next handler who is calling. Default: none.
	IdentityJWT *settings.IdentityJWT `json:"identity_jwt,omitempty"`

	// Forwards the token that the OpenID provider issued for the session to the next handler.
	// It is an error without login oidc, and beside forward_credentials. Default: none.
	UpstreamToken *settings.UpstreamToken `json:"upstream_token,omitempty"`

	// Shows the caller to scripts of the site's pages, at /.policy_auth/me. Default: not
	// shown.
	Me *settings.Me `json:"me,omitempty"`

	// Leaves the accepted credential in the request for the next handler. It is an error
	// beside a jwt method with a resource. Default: it is removed; other credentials are
	// never removed.
	ForwardCredentials bool `json:"forward_credentials,omitempty"`

	// Path flags for which a request is checked in each reading of its path, instead
	// of getting 400. Default: none.
	AllowAmbiguousPaths []string `json:"allow_ambiguous_paths,omitempty"`

	// Protocols to which a request may upgrade, besides websocket, if a policy allows
	// it, such as tcp or SPDY/3.1. What such a connection carries is not checked. h2c,
	// http/*, tls/* and connect-ip, which carry whole requests, are errors. Default:
	// none; other protocols are removed from requests, and a CONNECT for one gets 501.
	Upgrades []string `json:"upgrades,omitempty"`

	// Accepts credentials over plain HTTP from other machines. Default: they get 403,
	// unless a trusted proxy reports that the request came over HTTPS. Peers on this
	// machine, including a proxy, are always accepted.
	InsecureHTTP bool `json:"insecure_http,omitempty"`

	// Leaves the Cache-Control of the next handler unchanged for callers known by a
	// cookie, a key or a certificate. Default: public becomes private for them.
	SharedCache bool `json:"shared_cache,omitempty"`

	// Answers 404 instead of 403 to authenticated callers. Default: 403.
	Conceal bool `json:"conceal,omitempty"`

	matchers      caddyhttp.MatcherSets
	requestConfig request.Config
	chain         *authn.Chain
	policies      *policy.Engine
	config        *policy.Constants
	cors          *cors.CORS
	pages         *pages.Pages
	logger        *zap.Logger
	// decisions is the decision log.
	decisions     *zap.Logger
	sampledLogger *zap.Logger    // for messages that clients can cause at any rate
	nestedWarning *sync.Once     // the warning about a second handler
	session       *authn.Session // nil without logins of the site's own
	target        *login.Target  // nil without logins
	site          *login.Site    // the site's own pages, or nil
	guests        *guest.Guests  // nil without links
	body          request.BodyLimits
	forwarder     *forward.Forwarder
	identityJWT   *identityjwt.Issuer // nil without identity_jwt
	me            *me.Page            // nil without me
	responder     *deny.Responder
	releases      []func()
	admin         string // the flag by which commands reach the admin API
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.policy_auth",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision reads what the configuration names; it never uses the network.
func (h *Handler) Provision(ctx caddy.Context) error {
	admin.ProtectAdmin(ctx)
	h.admin = admin.AddressFlag(ctx)
	h.logger, h.nestedWarning = ctx.Logger(), new(sync.Once)
	h.decisions, h.sampledLogger = h.logger.Named("decisions"), observe.Sampled(h.logger)
	placement.WarnAnsweredBefore(ctx, h.logger)
	if h.Conceal || h.ErrorPages.Delegate() {
		placement.WarnErrorRoutes(ctx, h.logger)
	}
	steps := []func(caddy.Context) error{
		h.provisionMatchers, h.provisionLogin, h.provisionChain, h.provisionReading, h.provisionConfig,
		h.provisionPolicies, h.provisionPages, h.provisionSite, h.provisionLinks, h.provisionIdentityJWT, h.provisionAnswers, h.provisionMetrics,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (h *Handler) provisionMatchers(ctx caddy.Context) error {
	if h.MatcherSetsRaw == nil {
		return nil
	}
	sets, err := ctx.LoadModule(h, "MatcherSetsRaw")
	if err != nil {
		return fmt.Errorf("loading matchers: %w", err)
	}
	return h.matchers.FromInterface(sets)
}

// provisionChain loads the authenticators, and CORS with them: a site's allowed
// origins may use credentials that browsers attach, and its key headers are
// allowed in preflights.
func (h *Handler) provisionChain(ctx caddy.Context) (err error) {
	if err := authn.CheckChallenges(h.AuthenticatorsRaw, h.target != nil); err != nil {
		return err
	}
	h.chain, h.session, err = authn.LoadChain(ctx, h, "AuthenticatorsRaw", h.target, func(origin string) bool { return h.cors != nil && h.cors.Allowed(origin) })
	if err != nil || h.CORS == nil {
		return err
	}
	scripted := slices.DeleteFunc(h.chain.Headers(), func(name string) bool { return name == "Cookie" }) // no script sets it
	h.cors, err = h.CORS.Build(scripted)
	return err
}

func (h *Handler) provisionReading(caddy.Context) error {
	h.requestConfig.CredentialHeaders, h.requestConfig.CredentialParameters = h.chain.Headers(), h.chain.Parameters()
	h.requestConfig.CredentialHeaders = append(h.requestConfig.CredentialHeaders, h.chain.CertificateHeaders()...)
	h.requestConfig.ClientCertificate = h.chain.ClientCertificates()
	for _, token := range h.Upgrades {
		if err := request.CheckUpgrade(token); err != nil {
			return fmt.Errorf("upgrades: %w", err)
		}
	}
	h.requestConfig.Upgrades = h.Upgrades
	for _, name := range h.AllowAmbiguousPaths {
		if !slices.Contains(request.AllowableFlags(), name) {
			return fmt.Errorf("allow_ambiguous_paths: %s", unknownFlag(name))
		}
		h.requestConfig.AllowedFlags = append(h.requestConfig.AllowedFlags, request.Flag(name))
	}
	return nil
}

func (h *Handler) provisionConfig(caddy.Context) (err error) {
	h.config, err = h.Config.Resolve(caddy.NewReplacer())
	return err
}

func (h *Handler) provisionPolicies(caddy.Context) error {
	config, err := h.Policies.Config(h.Access)
	if err != nil {
		return err
	}
	if h.body, err = h.Body.Limits(); err != nil {
		return err
	}
	set, release, err := admin.AcquirePolicies(config)
	if err != nil {
		return fmt.Errorf("%s: %w", h.Policies.Words(h.Access), err)
	}
	h.policies = set
	h.releases = append(h.releases, release)
	return nil
}

func (h *Handler) provisionPages(caddy.Context) error {
	logger := caddy.Log().Named("http.handlers.policy_auth") // shared pages outlive the configuration
	pages, release, err := h.ErrorPages.Open(func(err error) { logger.Error("error pages not taken", zap.Error(err)) })
	if err != nil {
		return err
	}
	h.pages = pages
	h.releases = append(h.releases, release)
	return nil
}

func (h *Handler) provisionLogin(ctx caddy.Context) (err error) {
	if h.target, err = authn.LoadLogins(ctx, h, "LoginRaw"); err != nil {
		return err
	}
	return h.UpstreamToken.Apply(h.target)
}

// provisionSite sets up the site's own pages of signing in and out.
func (h *Handler) provisionSite(ctx caddy.Context) (err error) {
	if h.session == nil {
		return nil
	}
	h.site = h.target.Site
	if h.site.Sessions, err = h.session.Bind(h.site.Methods, h.InsecureHTTP); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	if err := placement.CheckCookieDomain(ctx, h.site.Sessions.Cookie().Domain); err != nil {
		return err
	}
	authn.BindAppPasswords(h.chain, h.session, h.site, h.logger)
	h.site.Pages, h.site.Report = h.pages, h.reportSignIn
	placement.WarnUnreachable(ctx, h.logger)
	return nil
}

// provisionIdentityJWT sets up what issues JWTs for the next handler.
func (h *Handler) provisionIdentityJWT(ctx caddy.Context) error {
	for word, name := range map[string]string{"identity_jwt": h.IdentityJWT.HeaderName(), "upstream_token": h.UpstreamToken.HeaderName()} {
		read := func(header string) bool { return request.SameHeaderName(header, request.FoldHeaderName(name)) }
		if name != "" && name != "Authorization" && slices.ContainsFunc(h.requestConfig.CredentialHeaders, read) {
			return fmt.Errorf("%s: a method of this site reads its credential from the header %s; choose another", word, name)
		}
	}
	issuer, release, err := h.IdentityJWT.Open(ctx)
	if err != nil {
		return err
	}
	h.identityJWT = issuer
	h.releases = append(h.releases, release)
	h.me, err = h.Me.Page()
	return err
}

// provisionLinks sets up share links and their guests.
func (h *Handler) provisionLinks(ctx caddy.Context) error {
	if h.Links == nil {
		return nil
	}
	_, hosts := placement.Origin(ctx)
	site, release, err := h.Links.Open(ctx, h.session, hosts)
	if err != nil {
		return err
	}
	h.releases = append(h.releases, release)
	h.guests = guest.New(guest.Config{
		Links: site.Links, Pages: h.pages, Chain: h.chain, InsecureHTTP: h.InsecureHTTP, Logger: h.logger, SampledLogger: h.sampledLogger,
	})
	if h.site != nil {
		h.site.Started = h.guests.End
	}
	if !h.policies.KnowsGuests() {
		h.logger.Warn("links is set, and no rule is for guests, so that share links open nothing that is not open to all: add the condition links: true to an alternative of an access table, or test input.identity.kind == \"guest\" in a policy")
	}
	return nil
}

// provisionAnswers sets up what forwards allowed requests and answers denied ones.
func (h *Handler) provisionAnswers(caddy.Context) (err error) {
	identityHeaders, err := forward.NewIdentityHeaders(h.IdentityHeaders, forward.Encoding(h.IdentityHeadersEncoding))
	if err != nil {
		return fmt.Errorf("identity_headers: %w", err)
	}
	if err := h.reserveHeaders(identityHeaders); err != nil {
		return err
	}
	h.requestConfig.SetConfiguredHeaders(append(identityHeaders.Names(), request.FoldHeaderNames(h.chain.CertificateHeaders())...))
	h.responder = &deny.Responder{
		Chain: h.chain, Target: h.target, OwnPages: h.session != nil, Policies: h.policies, Pages: h.pages,
		Delegate: h.ErrorPages.Delegate(), Conceal: h.Conceal, CORS: h.cors != nil, Logger: h.logger,
	}
	config := forward.Config{
		IdentityHeaders: identityHeaders, IdentityJWTHeader: h.IdentityJWT.HeaderName(), UpstreamTokenHeader: h.UpstreamToken.HeaderName(), ForwardCredentials: h.ForwardCredentials, SharedCache: h.SharedCache, Logger: h.logger,
		ReservedCookies: login.ReservedCookieNames(), CredentialHeaders: h.chain.Headers(), CertificateHeaders: h.chain.CertificateHeaders(),
		CredentialParameters: h.chain.Parameters(),
	}
	if h.Conceal {
		config.MaskError = h.responder.MaskNotFound
	}
	if h.site != nil {
		config.Cookies = h.site.CookieNames()
	}
	config.Cookies = append(config.Cookies, h.guests.CookieNames()...)
	config.ReservedCookies = append(config.ReservedCookies, append(sharelink.CookieNames(), config.Cookies...)...)
	config.CredentialCookies = append(h.chain.Cookies(), config.Cookies...)
	h.forwarder = forward.New(config)
	return nil
}

// reserveHeaders makes the headers for tokens identity headers.
func (h *Handler) reserveHeaders(identityHeaders *forward.IdentityHeaders) error {
	if h.IdentityJWT != nil {
		if err := identityHeaders.Reserve(h.IdentityJWT.HeaderName()); err != nil {
			return fmt.Errorf("identity_jwt: %w", err)
		}
	}
	var err error
	switch name := h.UpstreamToken.HeaderName(); name {
	case "":
	case "Authorization":
		err = identityHeaders.ReserveAuthorization()
	default:
		err = identityHeaders.Reserve(name)
	}
	if err != nil {
		return fmt.Errorf("upstream_token: %w", err)
	}
	return nil
}

func (h *Handler) provisionMetrics(ctx caddy.Context) error {
	return observe.Register(ctx.GetMetricsRegistry())
}

// Validate reports settings that contradict each other.
func (h *Handler) Validate() error {
	rules := len(h.Access) > 0 || h.Policies != nil
	if err := cmp.Or(h.chain.CheckRules(h.session, rules), h.chain.CheckForwarding(h.ForwardCredentials)); err != nil {
		return err
	}
	if err := h.checkUpstreamToken(); err != nil {
		return err
	}
	return h.ErrorPages.Validate()
}

// checkUpstreamToken reports what contradicts upstream_token.
func (h *Handler) checkUpstreamToken() error {
	if h.UpstreamToken != nil && h.ForwardCredentials {
		return errors.New("upstream_token: forward_credentials passes on the credential of the caller, and upstream_token another one: remove one of the two")
	}
	return h.UpstreamToken.Check()
}

// Cleanup lets go of what Provision took. It may be called after a Provision
// that failed, and more than once.
func (h *Handler) Cleanup() error {
	for _, release := range slices.Backward(h.releases) {
		release()
	}
	h.releases = nil
	return nil
}

// Interface guards.
var (
	_ caddy.Module                = (*Handler)(nil)
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.Validator             = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
