package authn

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
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
	caddy.RegisterModule(AppPasswords{})
}

// appPasswordMethod is the name of the method in identities and logs.
const appPasswordMethod = "app_password"

// AppPasswords accepts app passwords: long random secrets that signed-in users make at
// /.policy_auth/app_passwords, for programs that cannot sign in. A program sends one as
// the password of Basic, as a Bearer token or in the header of API keys. It needs a login
// form or login oidc.
type AppPasswords struct {
	// How long an app password counts. At least 1m. Default: 90d.
	MaxAge caddy.Duration `json:"max_age,omitempty"`

	// How long app passwords count after their owner last signed in on the site; then they
	// end. At least 1m. Default: 30d, or 7d where the login cannot learn of new roles
	// without a sign-in, as login oidc without a refresh token.
	SignInWithin caddy.Duration `json:"sign_in_within,omitempty"`

	// The scopes that users can choose for an app password. Default: none; app passwords
	// have no scopes.
	Scopes []string `json:"scopes,omitempty"`

	// How many app passwords a user may have on the site, 1 to 1000. Default: 20.
	Max int `json:"max,omitempty"`

	ChallengeOption

	sources   []authenticator.Source
	passwords *apppassword.Passwords
	sessions  *session.Sessions
	methods   map[string]login.Method // by ID
	wrong     *badSignatureLimiter
}

// CaddyModule returns the Caddy module information.
func (AppPasswords) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: authenticator.Namespace + ".app_passwords", New: func() caddy.Module { return new(AppPasswords) }}
}

// UnmarshalCaddyfile sets up the method from Caddyfile tokens. Syntax:
//
//	app_passwords {
//	    max_age <duration>
//	    sign_in_within <duration>
//	    scopes <scope>...
//	    max <number>
//	    challenge off
//	}
func (a *AppPasswords) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the method's word
	if err := caddyfileutil.NoArgs(d, "app_passwords", "max_age 90d"); err != nil {
		return err
	}
	return caddyfileutil.ValidatedBlock(d, "app_passwords", caddyfileutil.Subdirectives{
		"max_age":        caddyfileutil.Duration(&a.MaxAge),
		"sign_in_within": caddyfileutil.Duration(&a.SignInWithin),
		"scopes":         caddyfileutil.Strings(&a.Scopes),
		"max":            caddyfileutil.Int(&a.Max, apppassword.MaxMax),
		"challenge":      a.ChallengeOption.parse(),
	}, a.check)
}

func (a *AppPasswords) config() apppassword.Config {
	return apppassword.Config{MaxAge: time.Duration(a.MaxAge), SignInWithin: time.Duration(a.SignInWithin), Scopes: a.Scopes, Max: a.Max}
}

// check reports what is wrong whatever the logins are.
func (a *AppPasswords) check() error {
	if err := cmp.Or(a.ChallengeOption.check(), a.config().Check()); err != nil {
		return fmt.Errorf("app_passwords: %w", err)
	}
	return nil
}

// Provision checks the options. Bind does the rest.
func (a *AppPasswords) Provision(caddy.Context) error {
	a.wrong = newBadSignatureLimiter()
	a.readFrom(nil)
	return a.check()
}

// readFrom sets where app passwords are, beside a site's other methods: in the headers
// of its API keys, or in X-API-Key if it has none.
func (a *AppPasswords) readFrom(methods []Method) {
	a.sources = []authenticator.Source{basicSources[0], bearerSources[0]}
	for _, method := range methods {
		if key, ok := method.Authenticator.(*APIKey); ok && key.sources[0].Header != "" {
			a.sources = append(a.sources, key.sources[0])
		}
	}
	if len(a.sources) == 2 {
		a.sources = append(a.sources, authenticator.FromHeader(defaultKeyHeader))
	}
}

// arrangeAppPasswords puts app_passwords first: their prefix is claimed before basic
// spends a slow hash on one, or introspection sends one away (S-18).
func arrangeAppPasswords(methods []Method) ([]Method, error) {
	var own, others []Method
	for _, method := range methods {
		if _, ok := method.Authenticator.(*AppPasswords); ok {
			own = append(own, method)
			continue
		}
		others = append(others, method)
	}
	switch len(own) {
	case 0:
		return methods, nil
	case 1:
		own[0].Name = appPasswordMethod
		own[0].Authenticator.(*AppPasswords).readFrom(others)
		return append(own, others...), nil
	}
	return nil, errors.New("app_passwords is set twice; merge the two blocks")
}

// Sources implements authenticator.Authenticator.
func (a *AppPasswords) Sources() []authenticator.Source { return a.sources }

// ignores reports whether a credential has not the prefix of app passwords. Of Basic it
// reads what a lenient decoder reads, so that neither an application nor a module gets an
// app password that is encoded in a way that we do not accept.
func (a *AppPasswords) ignores(source authenticator.Source, value string) bool {
	if source.Scheme == "basic" {
		decoded, _ := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "="))
		_, value, _ = strings.Cut(string(decoded), ":")
	}
	return !apppassword.HasPrefix(value)
}

// Authenticate implements authenticator.Authenticator. A credential without the prefix
// may be what another method reads.
func (a *AppPasswords) Authenticate(r *http.Request, c authenticator.Credential) authenticator.Outcome {
	if a.ignores(c.Source, c.Value) {
		return authenticator.Outcome{Verdict: authenticator.Unclaimed, Reason: authenticator.ReasonCredentialsInvalid}
	}
	name, secret := "", c.Value
	if c.Source.Scheme == "basic" {
		name, secret, _ = decodeBasic(c.Value)
	}
	p, h, err := a.passwords.Verify(r.Context(), secret, a.sessions.Site(r))
	if err == nil && a.methods[h.Person.Login] == nil {
		err = apppassword.ErrOtherSite
	}
	if err != nil {
		return a.denied(r, p, err)
	}
	outcome := a.methods[h.Person.Login].RevalidateHolder(r.Context(), a.sessions, a.passwords, h)
	if outcome.Verdict != authenticator.Accepted {
		return a.ended(r, p, h, outcome)
	}
	id := a.passwords.Identity(p, h, outcome.Identity)
	if c.Source.Scheme == "basic" && name != apppassword.UserName(id) {
		return a.rejected(p, authenticator.ReasonCredentialsInvalid, "the user name is not that of the owner of the app password")
	}
	a.passwords.Touch(p)
	return authenticator.Accept(id)
}

// denied returns the outcome for an app password that does not count. Only who knows the
// secret learns more than that, and only in the log.
func (a *AppPasswords) denied(r *http.Request, p *apppassword.Password, err error) authenticator.Outcome {
	switch {
	case errors.Is(err, apppassword.ErrUnknown) && p == nil:
		if a.wrong.exceeds(clientOf(r)) {
			outcome := authenticator.Reject(authenticator.ReasonThrottled, authenticator.Detail{Name: "problem", Value: "too many wrong app passwords from this client"})
			outcome.RetryAfter = time.Second
			return outcome
		}
		return authenticator.Reject(authenticator.ReasonCredentialsInvalid, authenticator.Detail{Name: "problem", Value: "not an app password of this store, or revoked or expired"})
	case errors.Is(err, apppassword.ErrUnknown):
		return a.rejected(p, authenticator.ReasonTokenRevoked, "it has expired, or its owner has not signed in for too long")
	case errors.Is(err, apppassword.ErrOtherSite):
		return a.rejected(p, authenticator.ReasonCredentialsInvalid, err.Error())
	}
	return authenticator.Outcome{Verdict: authenticator.Unavailable, Reason: authenticator.ReasonStoreUnavailable, Err: err}
}

// rejected returns the outcome for a known app password.
func (a *AppPasswords) rejected(p *apppassword.Password, reason authenticator.Reason, problem string) authenticator.Outcome {
	outcome := authenticator.Reject(reason, authenticator.Detail{Name: "key_id", Value: p.ID}, authenticator.Detail{Name: "problem", Value: problem})
	outcome.Candidate = p.Identity.ID
	return outcome
}

// ended ends the app passwords of a person that the login rejects.
func (a *AppPasswords) ended(r *http.Request, p *apppassword.Password, h *apppassword.Holder, outcome authenticator.Outcome) authenticator.Outcome {
	if outcome.Verdict != authenticator.Rejected {
		return outcome
	}
	if err := a.passwords.EndHolder(r.Context(), h); err != nil {
		return a.denied(r, p, err)
	}
	outcome.Candidate = p.Identity.ID
	outcome.Details = append(outcome.Details, authenticator.Detail{Name: "key_id", Value: p.ID})
	return outcome
}

// Challenges implements authenticator.Authenticator. Programs are asked for Basic, as git
// and WebDAV clients wait for. A browser is not: it would open a dialog over the page
// that signs people in.
func (a *AppPasswords) Challenges(d authenticator.ChallengeRequest) []authenticator.Challenge {
	if d.Browser {
		return nil
	}
	return a.offer(basicChallenge(defaultRealm))
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*AppPasswords)(nil)
	_ caddyfile.Unmarshaler       = (*AppPasswords)(nil)
	_ authenticator.Authenticator = (*AppPasswords)(nil)
)
