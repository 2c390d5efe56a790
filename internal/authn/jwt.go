package authn

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/fairqueue"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

func init() {
	caddy.RegisterModule(JWT{})
}

// anyone is the value that accepts tokens of every issuer, or for every audience.
const anyone = "any"

// JWT accepts JSON Web Tokens (RFC 7519) of one issuer as bearer tokens (RFC
// 6750). Tokens of other issuers are left to other methods.
type JWT struct {
	// The issuer, exactly as in iss. "any" accepts every issuer; the keys then decide,
	// and jwks_url, jwks_file, key_files or secret must name them. Required.
	Issuer string `json:"issuer,omitempty"`

	// The URL of the issuer's JWK Set (RFC 7517); https. At most one of jwks_url,
	// jwks_file, key_files and secret may be set. Default: the URL in the issuer's
	// metadata (RFC 8414, OpenID Connect Discovery).
	JWKSURL string `json:"jwks_url,omitempty"`

	// A file with a JWK Set; watched. If it becomes invalid, the last good keys stay
	// in use.
	JWKSFile string `json:"jwks_file,omitempty"`

	// Files of public keys or certificates in PEM; watched and replaced as one.
	KeyFiles []string `json:"key_files,omitempty"`

	// The secret for HS256, HS384 or HS512, at least as long as the hash. Placeholders
	// are replaced; an empty or unknown one is an error.
	Secret string `json:"secret,omitempty"`

	// The URL of the issuer's metadata, if the issuer is reached at another address
	// than its own; https. The metadata must name Issuer, and the URL of the keys in
	// it is used as it is. Not together with jwks_url, jwks_file, key_files or secret.
	// Default: derived from Issuer.
	DiscoveryURL string `json:"discovery_url,omitempty"`

	// A file of root certificates in PEM that replace those of the system for requests
	// to the issuer. It is read when the configuration loads; if it is missing, empty
	// or contains anything else, that is an error. Default: those of the system.
	TLSCA string `json:"tls_ca,omitempty"`

	// The bearer token for fetching the metadata and the keys, usually
	// "{file.<path>}", which is read for each fetch. It is sent to the scheme, host
	// and port of jwks_url, else of discovery_url, else of the issuer, and never along
	// a redirect. Default: none.
	JWKSBearer string `json:"jwks_bearer,omitempty"`

	// How long fetched keys are still used after they are due for a refresh, while the
	// issuer is unreachable. Default: 24h.
	MaxStale caddy.Duration `json:"max_stale,omitempty"`

	// The accepted audiences: aud must contain one of them. "any" alone accepts every
	// audience. Required unless Resource is set.
	Audience []string `json:"audience,omitempty"`

	// The protected resource for which tokens are issued (RFC 9728): an https URL. Its
	// metadata is served below /.well-known/oauth-protected-resource, and challenges
	// link to it. It is an audience, too. Default: none.
	Resource string `json:"resource,omitempty"`

	// The scopes of the resource, for the metadata and challenges, without
	// offline_access. Default: none.
	ResourceScopes []string `json:"resource_scopes,omitempty"`

	// The display name of the resource. Default: none.
	ResourceName string `json:"resource_name,omitempty"`

	// The URL of a page about the resource for developers. Default: none.
	ResourceDocumentation string `json:"resource_documentation,omitempty"`

	// The accepted values of alg. Default: those that fit the keys; HS256 for a
	// secret.
	Algorithms []string `json:"algorithms,omitempty"`

	// Tolerated clock difference to the issuer, at most 5m. Default: 60s.
	Leeway caddy.Duration `json:"leeway,omitempty"`

	// Maximum age of a token, counted from iat. Default: until exp.
	MaxTokenAge caddy.Duration `json:"max_token_age,omitempty"`

	// The required type of tokens, such as at+jwt (RFC 9068). Default: any, except the
	// types of other kinds of tokens.
	Typ string `json:"typ,omitempty"`

	// The claims for the identity fields id, username, name, email, roles, groups and
	// scopes, each with dotted paths or JSON pointers; the first with a value other
	// than null is used. For roles, groups and scopes, there are also
	// "<path>[].<member>" (a member of each object in a list), "keys:<path>" (the
	// names in an object whose value is true or not empty) and "keys:<path> having
	// <member>" (those whose value has that member). A token with a value of another
	// form there is rejected. Default: the claims of these names; values of another
	// form are left out.
	Map map[string][]string `json:"map,omitempty"`

	// Claims that must have one of some values. Default: none.
	Require []Requirement `json:"require,omitempty"`

	TokenPlace

	// "pass" passes bearer tokens that are not JWTs, or whose issuer no method of the
	// site names, to the application, if a session identifies the caller. Policies see
	// input.request.foreign_bearer. Default: such tokens are rejected.
	UnknownIssuer string `json:"unknown_issuer,omitempty"`

	ChallengeOption
	BindingOption

	sources  []authenticator.Source
	metadata *url.URL                  // of the resource, or nil
	plain    []authenticator.Challenge // those without an error; shared
	forged   *badSignatureLimiter
	verifier *token.Verifier
	release  func()
}

// CaddyModule returns the Caddy module information.
func (JWT) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: authenticator.Namespace + ".jwt", New: func() caddy.Module { return new(JWT) }}
}

// Provision reads the keys; it does not use the network.
func (j *JWT) Provision(ctx caddy.Context) error {
	if err := j.check(); err != nil {
		return err
	}
	var err error
	if j.sources, err = j.source(); err != nil {
		return err
	}
	if j.Resource != "" {
		j.metadata, _ = parseResource(j.Resource) // check has tried it
	}
	j.plain = slices.Clip(j.tokenChallenges(authenticator.ChallengeRequest{MaxAge: -1}))
	j.forged = newBadSignatureLimiter()
	keys, err := j.keys(ctx)
	if err == nil {
		j.verifier, err = token.New(j.config(keys))
	}
	if err != nil {
		return fmt.Errorf("jwt %s: %w", j.Issuer, err)
	}
	return nil
}

// Cleanup lets go of the keys.
func (j *JWT) Cleanup() error {
	if j.release != nil {
		j.release()
	}
	j.releaseProofs()
	return nil
}

// Sources implements authenticator.Authenticator.
func (j *JWT) Sources() []authenticator.Source { return j.sources }

// bearerSources is where bearer tokens are, and tokenSources tokens with and without a
// DPoP proof.
var (
	bearerSources = []authenticator.Source{authenticator.FromScheme("Bearer")}
	tokenSources  = []authenticator.Source{bearerSources[0], dpopSource}
)

// Authenticate implements authenticator.Authenticator. What is not a token, and what another
// issuer says it has issued, is left to the other methods.
func (j *JWT) Authenticate(r *http.Request, c authenticator.Credential) authenticator.Outcome {
	raw := j.token(c)
	if verified, known := j.verifier.VerifyCached(raw); known {
		return j.prove(r, c, raw, verified)
	}
	unverified := token.Parse(raw)
	issuer, isToken := unverified.Issuer()
	if isToken && j.Issuer != anyone && issuer != j.Issuer {
		details := []authenticator.Detail{{Name: "expected_issuer", Value: j.Issuer}, {Name: "received_issuer", Value: issuer}}
		if hint := token.IssuerHint(j.Issuer, issuer); hint != "" {
			details = append(details, authenticator.Detail{Name: "hint", Value: hint})
		}
		return authenticator.Outcome{Verdict: authenticator.Unclaimed, Reason: authenticator.ReasonTokenIssuer, Details: details}
	}
	client := clientOf(r)
	verified, err := j.verifier.VerifyLimited(unverified, func() (func(), error) { return signatures.Release, signatures.Acquire(r.Context(), client) })
	if err == nil {
		return j.prove(r, c, raw, verified)
	}
	outcome, forged := outcomeOf(err)
	outcome.Candidate = j.candidate(raw, outcome.Reason)
	if forged && j.forged.exceeds(client) {
		outcome = tooManyForged()
	}
	switch {
	case outcome.Reason == authenticator.ReasonBusy:
		outcome.Verdict, outcome.RetryAfter = authenticator.Unavailable, fairqueue.RetryAfter
	case !isToken:
		outcome.Verdict = authenticator.Unclaimed
	case outcome.Reason == authenticator.ReasonKeysUnavailable:
		outcome.Verdict = authenticator.Unavailable
	}
	return outcome
}

// IsNoJWT reports whether a credential was rejected because it is not a JSON Web Token.
func IsNoJWT(outcome *authenticator.Outcome) bool {
	return slices.Contains(outcome.Details, token.NotJWT)
}

// outcomeOf turns a verifier's error into an outcome, and reports whether a signature
// was checked and is bad.
func outcomeOf(err error) (outcome authenticator.Outcome, forged bool) {
	if refusal, ok := errors.AsType[*token.Error](err); ok {
		return authenticator.Reject(refusal.Reason, refusal.Details...), refusal.BadSignature
	}
	return authenticator.Reject(authenticator.ReasonTokenMalformed), false
}

// Challenges implements authenticator.Authenticator.
func (j *JWT) Challenges(d authenticator.ChallengeRequest) []authenticator.Challenge {
	if challenge, ok := j.TokenPlace.challenge(); ok {
		return j.offer(challenge)
	}
	plain := tokenError(d) == "" && len(d.Scopes) == 0 && len(d.ACRValues) == 0
	if plain && j.plain != nil {
		return j.plain
	}
	return j.tokenChallenges(d)
}

// tokenChallenges returns the challenges of the schemes of tokens.
func (j *JWT) tokenChallenges(d authenticator.ChallengeRequest) []authenticator.Challenge {
	return tokenChallenges(&j.ChallengeOption, &j.BindingOption, slices.Contains(j.sources, dpopSource), d, j.describe)
}

// describe returns a challenge with the scopes of the resource, if it names no others, and
// the link to its metadata.
func (j *JWT) describe(scheme string, d authenticator.ChallengeRequest) authenticator.Challenge {
	if len(d.Scopes) == 0 {
		d.Scopes = j.ResourceScopes
	}
	challenge := schemeChallenge(scheme, d)
	if j.metadata != nil {
		challenge.Params = append(challenge.Params, authenticator.Param{Name: "resource_metadata", Value: j.metadata.String()})
	}
	return challenge
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*JWT)(nil)
	_ caddy.CleanerUpper          = (*JWT)(nil)
	_ caddyfile.Unmarshaler       = (*JWT)(nil)
	_ authenticator.Authenticator = (*JWT)(nil)
	_ authenticator.PublicSignUp  = (*JWT)(nil)
)
