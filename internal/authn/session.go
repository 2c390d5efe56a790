package authn

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/apppassword"
	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/session"
)

func init() {
	caddy.RegisterModule(Session{})
}

// Session accepts the session cookies of users who signed in by one of the site's
// logins. Every login implies it; write it only to change its defaults.
type Session struct {
	// How long a session may be unused. Default: 30m.
	Idle caddy.Duration `json:"idle,omitempty"`

	// How long a session lasts at most, however often it is used. Default: 12h.
	Lifetime caddy.Duration `json:"lifetime,omitempty"`

	// How long after the user signed in, which may have been at a provider before the
	// session began, a session counts. After that, users sign in again, and an OpenID
	// provider is asked for a sign-in of at most this age (max_age). At least 1m.
	// Default: no limit.
	MaxAuthAge caddy.Duration `json:"max_auth_age,omitempty"`

	// How many sessions a person has at most in the store, 1 to 1000; one more ends the
	// oldest. Default: 100.
	MaxPerUser int `json:"max_per_user,omitempty"`

	// Keeps the cookie when the browser is closed, until the lifetime ends. Default:
	// false.
	Persistent bool `json:"persistent,omitempty"`

	// The name of the cookie. It begins with __Host-, or with __Secure- if there is a
	// cookie_domain. Default: __Host-policy_auth or __Secure-policy_auth.
	CookieName string `json:"cookie_name,omitempty"`

	// A domain whose hosts share their sessions, such as example.com. Default: none;
	// each host has its own.
	CookieDomain string `json:"cookie_domain,omitempty"`

	// The cross-site requests with which browsers send the cookie: lax (links), strict
	// (none) or none (all). Default: lax.
	SameSite string `json:"same_site,omitempty"`

	// Where sessions are stored. Default: a file in Caddy's data directory.
	Store *SessionStore `json:"store,omitempty"`

	ChallengeOption

	registry  *session.Registry
	passwords *apppassword.Registry
	release   func()
	sessions  *session.Sessions
	methods   map[string]login.Method // by ID
	sources   []authenticator.Source
}

// sameSites are the values of same_site.
var sameSites = map[string]http.SameSite{
	"": http.SameSiteLaxMode, "lax": http.SameSiteLaxMode, "strict": http.SameSiteStrictMode, "none": http.SameSiteNoneMode,
}

// CaddyModule returns the Caddy module information.
func (Session) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: authenticator.Namespace + ".session", New: func() caddy.Module { return new(Session) }}
}

// UnmarshalCaddyfile sets up the method from Caddyfile tokens. Syntax:
//
//	session {
//	    idle <duration>
//	    lifetime <duration>
//	    max_auth_age <duration>
//	    max_per_user <number>
//	    persistent
//	    cookie_name <name>
//	    cookie_domain <domain>
//	    same_site lax|strict|none
//	    store file [<path>] | store redis <url>
//	    challenge off
//	}
func (s *Session) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the method's name
	if err := caddyfileutil.NoArgs(d, "session", "idle 30m"); err != nil {
		return err
	}
	return caddyfileutil.ValidatedBlock(d, "session", caddyfileutil.Subdirectives{
		"idle":          caddyfileutil.Duration(&s.Idle),
		"lifetime":      caddyfileutil.Duration(&s.Lifetime),
		"max_auth_age":  caddyfileutil.Duration(&s.MaxAuthAge),
		"max_per_user":  caddyfileutil.Int(&s.MaxPerUser, session.MaxMaxPerUser),
		"persistent":    caddyfileutil.Flag(&s.Persistent),
		"cookie_name":   caddyfileutil.String(&s.CookieName),
		"cookie_domain": caddyfileutil.String(&s.CookieDomain),
		"same_site":     caddyfileutil.Enum(&s.SameSite, "lax", "strict", "none"),
		"store":         parseStore(&s.Store),
		"challenge":     s.ChallengeOption.parse(),
	}, s.check)
}

// store returns the store of the sessions, which is the default one also where there are
// no sessions.
func (s *Session) store() *SessionStore {
	if s == nil {
		return nil
	}
	return s.Store
}

// check reports what is wrong whatever the store is.
func (s *Session) check() error {
	if _, known := sameSites[s.SameSite]; !known {
		return fmt.Errorf("session: %s", caddyfileutil.Unknown("value of same_site", s.SameSite, []string{"lax", "strict", "none"}))
	}
	if err := cmp.Or(s.ChallengeOption.check(), s.Store.check()); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	if _, err := session.New(nil, s.config()); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	return nil
}

// config returns how sessions are.
func (s *Session) config() session.Config {
	config := session.Config{
		Cookie: session.Cookie{Name: s.CookieName, Domain: s.CookieDomain, SameSite: sameSites[s.SameSite]},
		Idle:   time.Duration(s.Idle), Lifetime: time.Duration(s.Lifetime), MaxAuthAge: time.Duration(s.MaxAuthAge), MaxPerUser: s.MaxPerUser,
	}
	if config.Lifetime == 0 {
		config.Lifetime = max(session.DefaultLifetime, config.Idle)
	}
	if config.Idle == 0 {
		config.Idle = min(session.DefaultIdle, config.Lifetime)
	}
	if s.Persistent {
		config.Cookie.MaxAge = config.Lifetime
	}
	return config
}

// Provision takes the store, which is opened at its first use.
func (s *Session) Provision(ctx caddy.Context) (err error) {
	if err := s.check(); err != nil {
		return err
	}
	if s.SameSite == "none" {
		ctx.Logger().Warn("same_site none: browsers send the session cookie with requests from every other site; only cors and the check of Origin protect against them")
	}
	shared, release, err := s.Store.acquire(ctx.Storage())
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	s.registry, s.passwords, s.release = shared.Registry, shared.passwords, release
	s.sources = sessionSources(s.config().Cookie.WithDefaults())
	return nil
}

// withSession returns methods with the session method that the site's own logins
// imply, and that method. It is nil if there are no such logins.
func withSession(ctx caddy.Context, methods []Method, target *login.Target) ([]Method, *Session, error) {
	var own *Session
	for _, method := range methods {
		s, ok := method.Authenticator.(*Session)
		switch {
		case ok && own != nil:
			return nil, nil, errors.New("session is set twice")
		case ok && (target == nil || target.Site == nil):
			return nil, nil, errors.New("session: no login makes one; write login form or login oidc beside it")
		case ok:
			own = s
		}
	}
	if (target == nil || target.Site == nil) && slices.ContainsFunc(methods, func(m Method) bool { return m.Name == appPasswordMethod }) {
		return nil, nil, errors.New("app_passwords: needs a login; add login form or login oidc (login url is not enough)")
	}
	if own != nil || target == nil || target.Site == nil {
		return methods, own, nil
	}
	module, err := ctx.LoadModuleByID(authenticator.Namespace+".session", nil)
	if err != nil {
		return nil, nil, err
	}
	own = module.(*Session)
	return append(methods, Method{Name: "session", Authenticator: own}), own, nil
}

// Bind says by which logins sessions are made, and whether they may be over
// plain HTTP. It is called once, after provisioning.
func (s *Session) Bind(methods []login.Method, plain bool) (*session.Sessions, error) {
	config := s.config()
	config.InsecureHTTP, s.methods = plain, map[string]login.Method{}
	for _, method := range methods {
		config.Logins = append(config.Logins, method.ID())
		s.methods[method.ID()] = method
	}
	var err error
	s.sessions, err = session.New(s.registry, config)
	return s.sessions, err
}

// Cleanup lets go of the store.
func (s *Session) Cleanup() error {
	if s.release != nil {
		s.release()
	}
	return nil
}

// Sources implements authenticator.Authenticator.
func (s *Session) Sources() []authenticator.Source { return s.sources }

// Authenticate implements authenticator.Authenticator.
func (s *Session) Authenticate(r *http.Request, c authenticator.Credential) authenticator.Outcome {
	found, err := s.sessions.Find(r.Context(), r, c.Value)
	if err != nil {
		return deniedSession(err)
	}
	method, use := s.methods[found.Person.Login], useOf(r.Context())
	outcome := method.Revalidate(r.Context(), s.sessions, found)
	if source, ok := method.(login.TokenSource); ok && use != nil && use.Upstream && outcome.Verdict == authenticator.Accepted {
		use.Token, outcome = source.UpstreamToken(r.Context(), s.sessions, found)
	}
	switch {
	case outcome.Verdict == authenticator.Accepted:
		if use != nil && use.Passive {
			break
		}
		s.sessions.Touch(found)
		outcome.Hold = func() func() { return s.sessions.KeepAlive(found) }
	case outcome.Reason == authenticator.ReasonAccountDisabled:
		outcome.Candidate = found.Identity.ID
		if err := s.registry.End(r.Context(), found.ID); err != nil {
			return deniedSession(err)
		}
	}
	return outcome
}

// deniedSession returns the outcome for a cookie without a valid session.
func deniedSession(err error) authenticator.Outcome {
	problem := authenticator.Detail{Name: "problem", Value: err.Error()}
	switch {
	case errors.Is(err, session.ErrExpired):
		return authenticator.Reject(authenticator.ReasonSessionExpired)
	case errors.Is(err, session.ErrEnded), errors.Is(err, session.ErrOtherSite):
		return authenticator.Reject(authenticator.ReasonSessionRevoked, problem)
	}
	return authenticator.Outcome{Verdict: authenticator.Unavailable, Reason: authenticator.ReasonStoreUnavailable, Details: []authenticator.Detail{problem}}
}

// Challenges implements authenticator.Authenticator. Sessions have no registered scheme;
// Session says what is wanted without making a browser ask for a password (R-CH-8).
func (s *Session) Challenges(authenticator.ChallengeRequest) []authenticator.Challenge {
	return s.offer(authenticator.Challenge{Scheme: "Session", Params: []authenticator.Param{{Name: "realm", Value: defaultRealm}}})
}

// PublicSignUp implements authenticator.PublicSignUp: it asks the logins.
func (s *Session) PublicSignUp() bool { return s.OpenLogin() != "" }

// OpenLogin describes a login at which anyone can register, or returns "".
func (s *Session) OpenLogin() string {
	for _, method := range s.methods {
		if m, ok := method.(authenticator.PublicSignUp); ok && m.PublicSignUp() {
			return fmt.Sprintf("the login %s (%s)", method.Name(), method.Title())
		}
	}
	return ""
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Session)(nil)
	_ caddy.CleanerUpper          = (*Session)(nil)
	_ caddyfile.Unmarshaler       = (*Session)(nil)
	_ authenticator.Authenticator = (*Session)(nil)
	_ authenticator.PublicSignUp  = (*Session)(nil)
)
