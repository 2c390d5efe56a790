package authn

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/introspection"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

func init() {
	caddy.RegisterModule(Introspection{})
}

const (
	// defaultCache is Introspection.Cache where none is set.
	defaultCache = 30 * time.Second
	// noCache is the Cache that remembers nothing.
	noCache = caddy.Duration(-1)
)

// Introspection accepts tokens that an authorization server says are active when it is
// asked (RFC 7662), such as opaque bearer tokens (RFC 6750). JSON Web Tokens of other
// issuers are never sent to it.
type Introspection struct {
	// The introspection endpoint; https. Required.
	URL string `json:"url,omitempty"`

	// The issuer of the tokens. If a response has iss, it must be this one. Only JSON
	// Web Tokens of this issuer are sent to the endpoint, and none of an issuer that a
	// jwt method names. Required for private_key_jwt. Default: any in responses; JSON
	// Web Tokens are sent if the scheme, host and port of their issuer are those of URL.
	Issuer string `json:"issuer,omitempty"`

	// The client ID of this site at the server. Placeholders are replaced. Required.
	ClientID string `json:"client_id,omitempty"`

	// The client secret. Placeholders are replaced; an empty or unknown one is an
	// error. Required unless there is a client_key.
	ClientSecret string `json:"client_secret,omitempty"`

	// How this site authenticates at the endpoint: "basic" in a header, "post" in the
	// body, "private_key_jwt" by a signed assertion (RFC 7523) whose audience is the
	// issuer. Default: basic.
	ClientAuthMethod string `json:"client_auth_method,omitempty"`

	// A file with the private key in PEM (PKCS #8, PKCS #1 or SEC 1) for
	// private_key_jwt, as in login oidc. Default: none.
	ClientKey string `json:"client_key,omitempty"`

	// The accepted audiences: aud of a response must contain one of them. "any" alone
	// accepts every audience, also responses without aud. Required.
	Audience []string `json:"audience,omitempty"`

	// How long an active token is accepted without asking again, which is how long a
	// revoked one is accepted; at most until exp. Others are remembered for 10 seconds
	// at most. -1 remembers nothing. Default: 30s.
	Cache caddy.Duration `json:"cache,omitempty"`

	// The members of a response for identity fields, as in jwt. Default: the members of
	// these names, and sub for id.
	Map map[string][]string `json:"map,omitempty"`

	// Members of a response that must have one of some values. Default: none.
	Require []Requirement `json:"require,omitempty"`

	// A file of root certificates in PEM that replace those of the system for requests
	// to the endpoint. It is read when the configuration loads; if it is missing, empty
	// or contains anything else, that is an error. Default: those of the system.
	TLSCA string `json:"tls_ca,omitempty"`

	TokenPlace

	BindingOption

	ChallengeOption

	sources []authenticator.Source
	owned   issuers // of the site's jwt methods
	client  *introspection.Client
	done    func() // releases the client
}

// CaddyModule returns the Caddy module information.
func (Introspection) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: authenticator.Namespace + ".introspection", New: func() caddy.Module { return new(Introspection) }}
}

// Cleanup lets go of the client.
func (i *Introspection) Cleanup() error {
	if i.done != nil {
		i.done()
	}
	i.releaseProofs()
	return nil
}

// Sources implements authenticator.Authenticator.
func (i *Introspection) Sources() []authenticator.Source { return i.sources }

// PublicSignUp implements authenticator.PublicSignUp: it reports whether the method
// accepts every account of a shared issuer.
func (i *Introspection) PublicSignUp() bool {
	return len(i.Require) == 0 && (isShared(i.Issuer) || hasSharedKeys(i.URL))
}

// Authenticate implements authenticator.Authenticator. A JWT that the endpoint must not
// see is left to the other methods.
func (i *Introspection) Authenticate(r *http.Request, c authenticator.Credential) authenticator.Outcome {
	raw := i.token(c)
	if t, known := i.client.Cached(raw); known {
		return i.prove(r, c, raw, t)
	}
	if len(raw) > introspection.MaxToken || !isToken68(raw) {
		return authenticator.Reject(authenticator.ReasonTokenMalformed, authenticator.Detail{Name: "problem", Value: "what is sent is no token (RFC 6750, section 2.1) of at most 16 KiB"})
	}
	if problem := i.mustNotSend(raw); problem != nil {
		return authenticator.Outcome{Verdict: authenticator.Unclaimed, Reason: authenticator.ReasonTokenIssuer, Details: problem}
	}
	t, err := i.client.Introspect(r.Context(), raw, clientOf(r))
	if err == nil {
		return i.prove(r, c, raw, t)
	}
	return introspectionOutcome(err)
}

// introspectionOutcome turns the error of a client into an outcome. Only a response of
// the endpoint rejects a token; without one it is unknown whether it is active.
func introspectionOutcome(err error) authenticator.Outcome {
	if refusal, ok := errors.AsType[*token.Error](err); ok {
		return authenticator.Reject(refusal.Reason, refusal.Details...)
	}
	if errors.Is(err, introspection.ErrThrottled) {
		outcome := authenticator.Reject(authenticator.ReasonThrottled, authenticator.Detail{Name: "problem", Value: err.Error()})
		outcome.RetryAfter = introspection.ThrottledFor
		return outcome
	}
	outcome := authenticator.Outcome{
		Verdict: authenticator.Unavailable, Reason: authenticator.ReasonKeysUnavailable,
		Details: []authenticator.Detail{{Name: "problem", Value: err.Error()}},
	}
	if failure, ok := errors.AsType[*introspection.Unavailable](err); ok {
		outcome.RetryAfter = failure.RetryAfter
		if failure.Busy {
			outcome.Reason = authenticator.ReasonBusy
		}
	}
	return outcome
}

// Challenges implements authenticator.Authenticator.
func (i *Introspection) Challenges(d authenticator.ChallengeRequest) []authenticator.Challenge {
	if challenge, ok := i.TokenPlace.challenge(); ok {
		return i.offer(challenge)
	}
	return tokenChallenges(&i.ChallengeOption, &i.BindingOption, slices.Contains(i.sources, dpopSource), d, schemeChallenge)
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Introspection)(nil)
	_ caddy.CleanerUpper          = (*Introspection)(nil)
	_ caddyfile.Unmarshaler       = (*Introspection)(nil)
	_ authenticator.Authenticator = (*Introspection)(nil)
	_ authenticator.PublicSignUp  = (*Introspection)(nil)
)
