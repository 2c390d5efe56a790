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
	// What iss must be, to the letter; "any" leaves the choice to the keys, which
	// are then named by jwks_url, jwks_file, key_files or secret. Required.
	Issuer string `json:"issuer,omitempty"`

	// Where the issuer publishes its keys (a JWK Set, RFC 7517), over https.
	// Default: what the issuer's metadata says (RFC 8414, OpenID Connect
	// Discovery). At most one of jwks_url, jwks_file, key_files and secret is set.
	JWKSURL string `json:"jwks_url,omitempty"`

	// A file with a JWK Set, watched; one that turns bad leaves the last good
	// keys in use.
	JWKSFile string `json:"jwks_file,omitempty"`

	// Files of public keys or certificates in PEM, watched and swapped as one.
	KeyFiles []string `json:"key_files,omitempty"`

	// The secret for HS256, HS384 or HS512, at least as long as the hash.
	// Placeholders are replaced; an empty or unknown one is an error.
	Secret string `json:"secret,omitempty"`

	// Where the issuer's metadata is fetched from, if the issuer is reached at
	// another address than its own: an https URL. The metadata still has to name
	// Issuer, and the URL of the keys is taken as the metadata says it. Not together
	// with jwks_url, jwks_file, key_files or secret. Default: at the issuer.
	DiscoveryURL string `json:"discovery_url,omitempty"`

	// A file of root certificates in PEM that replace the system's for what is
	// fetched from the issuer. It is read when the configuration loads; one that is
	// missing, empty or holds anything else is an error. Default: the system's.
	TLSCA string `json:"tls_ca,omitempty"`

	// The credential that the metadata and the keys are fetched with, as Bearer:
	// mostly "{file.<path>}", which is read anew for each fetch. It is sent to the
	// scheme, host and port of jwks_url, else of discovery_url, else of the issuer,
	// and never along a redirect. Default: none.
	JWKSBearer string `json:"jwks_bearer,omitempty"`

	// How long published keys count after they ceased to be fresh, while the
	// issuer is out of reach. Default: 24h.
	MaxStale caddy.Duration `json:"max_stale,omitempty"`

	// The accepted audiences: aud must hold one of them. "any" alone accepts
	// every audience. Required unless Resource is set.
	Audience []string `json:"audience,omitempty"`

	// The protected resource that tokens are for (RFC 9728): an https URL, whose
	// description is served below /.well-known/oauth-protected-resource and named
	// in challenges. It is an audience too. Default: none.
	Resource string `json:"resource,omitempty"`

	// The scopes that the resource knows: described, and named in challenges.
	// offline_access is not one of them. Default: none.
	ResourceScopes []string `json:"resource_scopes,omitempty"`

	// The name of the resource for people. Default: none.
	ResourceName string `json:"resource_name,omitempty"`

	// The URL of a page about the resource, for developers. Default: none.
	ResourceDocumentation string `json:"resource_documentation,omitempty"`

	// The algorithms that alg may name. Default: those that fit the keys; HS256
	// for a secret.
	Algorithms []string `json:"algorithms,omitempty"`

	// How far the issuer's clock may be off, at most 5m. Default: 60s.
	Leeway caddy.Duration `json:"leeway,omitempty"`

	// How long after iat a token counts. Default: as long as exp says.
	MaxTokenAge caddy.Duration `json:"max_token_age,omitempty"`

	// The type that tokens must have, such as at+jwt (RFC 9068). Default: any
	// but those of other kinds of token.
	Typ string `json:"typ,omitempty"`

	// Where identity fields come from: id, username, name, email, roles, groups,
	// scopes, each with dotted paths or JSON pointers of which the first with a
	// value other than null counts. For roles, groups and scopes there are also
	// "<path>[].<member>" (a member of each object in a list), "keys:<path>" (the
	// names in an object whose value is true or not empty) and "keys:<path> having
	// <member>" (those whose value has that member). A token with a value of
	// another form there is refused. Default: the claims of those names, where
	// values of another form are left out.
	Map map[string][]string `json:"map,omitempty"`

	// Claims that must hold one of some values. Default: none.
	Require []Requirement `json:"require,omitempty"`

	// Where tokens are: "bearer" (Authorization: Bearer), "basic_password" (the
	// password of Basic), "header", "cookie" or "query" (each with a name).
	// Default: bearer.
	From string `json:"from,omitempty"`

	// The name of the header, the cookie or the parameter of the query.
	Name string `json:"name,omitempty"`

	// "pass" leaves bearer tokens that are not JWTs, or whose issuer no method
	// of the site names, to the application behind it, if a session identifies
	// the caller. Policies see input.request.foreign_bearer. Default: such
	// tokens are refused.
	UnknownIssuer string `json:"unknown_issuer,omitempty"`

	Offer

	sources  []authenticator.Source
	metadata *url.URL // of the resource, or nil
	forged   *badSignatureLimiter
	verifier *token.Verifier
	release  func()
}

// Requirement is a claim that must hold one of the values.
type Requirement struct {
	// A dotted path or a JSON pointer.
	Claim string `json:"claim"`
	// The values of which one suffices.
	Values []string `json:"values"`
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
	return nil
}

// Sources implements authenticator.Authenticator.
func (j *JWT) Sources() []authenticator.Source { return j.sources }

// bearerSources is where bearer tokens are.
var bearerSources = []authenticator.Source{authenticator.FromScheme("Bearer")}

// Authenticate implements authenticator.Authenticator. What is not a token, and what another
// issuer says it has issued, is left to the other methods.
func (j *JWT) Authenticate(r *http.Request, c authenticator.Credential) authenticator.Outcome {
	raw := c.Value
	if j.From == "basic_password" {
		_, raw, _ = decodeBasic(c.Value)
	}
	if id := j.verifier.VerifyCached(raw); id != nil {
		return authenticator.Accept(id)
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
	id, err := j.verifier.VerifyLimited(unverified, func() (func(), error) { return signatures.Release, signatures.Acquire(r.Context(), client) })
	if err == nil {
		return authenticator.Accept(id)
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

// IsNoJWT reports whether a credential was refused since it is no JSON Web Token at all.
func IsNoJWT(outcome *authenticator.Outcome) bool {
	return slices.Contains(outcome.Details, token.NotJWT)
}

// outcomeOf turns a verifier's error into an outcome, and says whether a
// signature was checked in vain.
func outcomeOf(err error) (outcome authenticator.Outcome, forged bool) {
	if refusal, ok := errors.AsType[*token.Error](err); ok {
		return authenticator.Reject(refusal.Reason, refusal.Details...), refusal.BadSignature
	}
	return authenticator.Reject(authenticator.ReasonTokenMalformed), false
}

// Challenges implements authenticator.Authenticator.
func (j *JWT) Challenges(d authenticator.ChallengeRequest) []authenticator.Challenge {
	switch j.From {
	case "basic_password":
		return []authenticator.Challenge{basicChallenge(defaultRealm)}
	case "header":
		return []authenticator.Challenge{keyChallenge(j.Name)}
	}
	// a cookie has no scheme to ask for it by: a bearer token would do as well
	if len(d.Scopes) == 0 {
		d.Scopes = j.ResourceScopes
	}
	challenge := bearerChallenge(d)
	if j.metadata != nil {
		challenge.Params = append(challenge.Params, authenticator.Param{Name: "resource_metadata", Value: j.metadata.String()})
	}
	return []authenticator.Challenge{challenge}
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*JWT)(nil)
	_ caddy.CleanerUpper          = (*JWT)(nil)
	_ caddyfile.Unmarshaler       = (*JWT)(nil)
	_ authenticator.Authenticator = (*JWT)(nil)
)
