package authn

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/net/http/httpguts"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/grammar"
	"github.com/policyauth/caddy-policy-auth/internal/identity"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

func init() {
	caddy.RegisterModule(JWT{})
}

// any spells out that tokens of every issuer, or for every audience, count.
const anyone = "any"

// JWT accepts JSON Web Tokens (RFC 7519) of one issuer as bearer tokens (RFC
// 6750). Tokens of other issuers are left to other methods.
type JWT struct {
	// What iss must be, to the letter; "any" leaves the choice to the keys.
	// Required.
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

	// How long published keys count after they ceased to be fresh, while the
	// issuer is out of reach. Default: 24h.
	MaxStale caddy.Duration `json:"max_stale,omitempty"`

	// Whom tokens are for: aud must hold one of these. "any" alone accepts
	// tokens for anybody. Required.
	Audience []string `json:"audience,omitempty"`

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
	// scopes, each with dotted paths or JSON pointers of which the first that
	// exists counts. Default: the claims of those names, see the documentation.
	Map map[string][]string `json:"map,omitempty"`

	// Claims that must hold one of some values. Default: none.
	Require []Requirement `json:"require,omitempty"`

	// Where tokens are: "bearer" (Authorization: Bearer), "basic_password" (the
	// password of Basic), "header", "cookie" or "query" (each with a name).
	// Default: bearer.
	From string `json:"from,omitempty"`

	// The name of the header, the cookie or the parameter of the query.
	Name string `json:"name,omitempty"`

	places   []Place
	forgers  *forgers
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
	return caddy.ModuleInfo{ID: Namespace + ".jwt", New: func() caddy.Module { return new(JWT) }}
}

// UnmarshalCaddyfile sets up the method from Caddyfile tokens. Syntax:
//
//	jwt <issuer>|any {
//	    jwks_url <url>
//	    jwks_file <file>
//	    key_file <file>...
//	    secret <secret>
//	    max_stale <duration>
//	    audience <audience>...|any
//	    algorithms <name>...
//	    leeway <duration>
//	    max_token_age <duration>
//	    typ <type>
//	    from bearer | basic_password | header <name> | cookie <name> | query <name>
//	    map <field> <source>...
//	    require <claim> <value>...
//	}
func (j *JWT) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the method's name
	line := d.Token()
	var err error
	if j.Issuer, err = grammar.One(d); err != nil {
		return err
	}
	err = grammar.Block(d, "jwt", grammar.Words{
		"jwks_url":      grammar.String(&j.JWKSURL),
		"jwks_file":     grammar.String(&j.JWKSFile),
		"max_stale":     grammar.Duration(&j.MaxStale),
		"secret":        grammar.String(&j.Secret),
		"key_file":      grammar.Strings(&j.KeyFiles),
		"audience":      grammar.Strings(&j.Audience),
		"algorithms":    grammar.Strings(&j.Algorithms),
		"leeway":        grammar.Duration(&j.Leeway),
		"max_token_age": grammar.Duration(&j.MaxTokenAge),
		"typ":           grammar.String(&j.Typ),
		"from":          j.parseFrom,
		"map":           j.parseMap,
		"require":       j.parseRequire,
	})
	if err != nil {
		return err
	}
	return grammar.At(line, j.check())
}

func (j *JWT) parseFrom(d *caddyfile.Dispenser) error {
	if j.From != "" {
		return d.Err("from is set twice")
	}
	args, err := grammar.Several(d)
	if err != nil {
		return err
	}
	if len(args) > 2 {
		return d.ArgErr()
	}
	if j.From = args[0]; len(args) == 2 {
		j.Name = args[1]
	}
	if _, err := j.place(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// place returns where tokens are.
func (j *JWT) place() ([]Place, error) {
	named := map[string]func(string) Place{"header": InHeader, "cookie": InCookie, "query": InQuery}[j.From]
	switch {
	case named != nil && !httpguts.ValidHeaderFieldName(j.Name):
		return nil, fmt.Errorf("from %s wants a name, not %q", j.From, j.Name)
	case named != nil && j.From == "header" && reservedHeader(j.Name):
		return nil, fmt.Errorf("a token cannot be the whole of %s; bearer and basic_password read Authorization", j.Name)
	case named != nil:
		return []Place{named(j.Name)}, nil
	case j.From != "" && j.From != "bearer" && j.From != "basic_password":
		return nil, errors.New(grammar.Unknown("place of a token", j.From, []string{"bearer", "basic_password", "header", "cookie", "query"}))
	case j.Name != "":
		return nil, fmt.Errorf("from %s takes no name", j.From)
	case j.From == "basic_password":
		return basicPlaces, nil
	}
	return bearerPlaces, nil
}

func (j *JWT) parseMap(d *caddyfile.Dispenser) error {
	args, err := grammar.Several(d)
	if err != nil {
		return err
	}
	field, sources := args[0], args[1:]
	if len(sources) == 0 {
		return d.Errf("map %s names no source: write a claim, such as map roles realm_access.roles", field)
	}
	if j.Map == nil {
		j.Map = make(map[string][]string)
	}
	j.Map[field] = append(j.Map[field], sources...)
	return nil
}

func (j *JWT) parseRequire(d *caddyfile.Dispenser) error {
	args, err := grammar.Several(d)
	if err != nil {
		return err
	}
	if len(args) < 2 {
		return d.Errf("require %s names no value that the claim may hold", args[0])
	}
	j.Require = append(j.Require, Requirement{Claim: args[0], Values: args[1:]})
	return nil
}

// check reports what is wrong whatever the files hold.
func (j *JWT) check() error {
	switch {
	case j.Issuer == "":
		return errors.New("jwt: name the issuer of the tokens, or write any")
	case len(j.Audience) > 1 && slices.Contains(j.Audience, anyone):
		return fmt.Errorf("jwt %s: audience any stands alone", j.Issuer)
	}
	if err := j.checkKeys(); err != nil {
		return fmt.Errorf("jwt %s: %w", j.Issuer, err)
	}
	if _, err := j.place(); err != nil {
		return fmt.Errorf("jwt %s: %w", j.Issuer, err)
	}
	if _, err := token.New(j.config(placeholderKeys(j.Secret != ""))); err != nil {
		return fmt.Errorf("jwt %s: %w", j.Issuer, err)
	}
	return nil
}

// checkKeys reports a choice of keys that cannot be.
func (j *JWT) checkKeys() error {
	sources := 0
	for _, set := range []bool{j.JWKSURL != "", j.JWKSFile != "", len(j.KeyFiles) > 0, j.Secret != ""} {
		if set {
			sources++
		}
	}
	published := j.JWKSURL != "" || sources == 0
	switch {
	case sources > 1:
		return errors.New("more than one of jwks_url jwks_file key_file secret says where the keys are")
	case published && j.Issuer == anyone:
		return errors.New("any issuer's tokens are accepted only with keys of your own: one of jwks_file key_file secret")
	case !published && j.MaxStale != 0:
		return errors.New("max_stale is about keys that an issuer publishes")
	case !published:
		return nil
	}
	_, err := token.NewRemote(token.RemoteConfig{Issuer: j.Issuer, URL: j.JWKSURL})
	if err != nil && sources == 0 {
		return fmt.Errorf("the issuer's keys cannot be discovered: %w; or say where they are: one of jwks_url jwks_file key_file secret", err)
	}
	return err
}

// placeholderKeys fit every algorithm of their sort: they stand in while the
// configuration is checked without its files.
type placeholderKeys bool

// Candidates implements token.KeySource.
func (placeholderKeys) Candidates(string, string) ([]token.Key, error) { return nil, nil }

// Generation implements token.KeySource.
func (placeholderKeys) Generation() any { return nil }

// Algorithms implements token.KeySource.
func (symmetric placeholderKeys) Algorithms() []string {
	if symmetric {
		return []string{"HS256", "HS384", "HS512"}
	}
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// config returns what the verifier is made of.
func (j *JWT) config(keys token.KeySource) token.Config {
	config := token.Config{
		Issuer: j.Issuer, Audiences: j.Audience, Algorithms: j.Algorithms,
		Leeway: time.Duration(j.Leeway), MaxAge: time.Duration(j.MaxTokenAge),
		Type: j.Typ, Map: j.Map, Keys: keys,
	}
	if j.Issuer == anyone {
		config.Issuer = ""
	}
	if len(j.Audience) == 1 && j.Audience[0] == anyone {
		config.Audiences, config.AnyAudience = nil, true
	}
	for _, r := range j.Require {
		config.Require = append(config.Require, token.Requirement{Claim: r.Claim, Values: r.Values})
	}
	return config
}

// Provision reads the keys; it does not use the network.
func (j *JWT) Provision(ctx caddy.Context) error {
	if err := j.check(); err != nil {
		return err
	}
	var err error
	if j.places, err = j.place(); err != nil {
		return err
	}
	j.forgers = newForgers()
	keys, err := j.keys(ctx)
	if err == nil {
		j.verifier, err = token.New(j.config(keys))
	}
	if err != nil {
		return fmt.Errorf("jwt %s: %w", j.Issuer, err)
	}
	return nil
}

// keys opens where the keys come from.
func (j *JWT) keys(ctx caddy.Context) (token.KeySource, error) {
	switch {
	case j.Secret != "":
		return j.secretKey(ctx.Logger())
	case j.JWKSFile != "":
		return j.files("jwks", []string{j.JWKSFile}, token.ParseJWKFile)
	case len(j.KeyFiles) > 0:
		return j.files("pem", j.KeyFiles, token.ParsePEM)
	}
	stale := time.Duration(j.MaxStale)
	remote, release, err := remoteKeys.Acquire([]any{j.Issuer, j.JWKSURL, stale}, func() (*token.Remote, error) {
		return openRemote(j.Issuer, j.JWKSURL, stale, ctx.Storage())
	})
	j.release = release
	return remote, err
}

func (j *JWT) files(form string, paths []string, parse func(string, []byte) ([]token.Key, error)) (token.KeySource, error) {
	source, release, err := keyFiles.Acquire([]any{form, paths}, func() (*keyFileSource, error) { return openKeyFiles(paths, parse) })
	j.release = release
	return source, err
}

func (j *JWT) secretKey(logger *zap.Logger) (token.KeySource, error) {
	secret, err := caddy.NewReplacer().ReplaceOrErr(j.Secret, true, true)
	if err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	key, warnings, err := token.NewSecret([]byte(secret))
	if err != nil {
		return nil, err
	}
	for _, warning := range warnings {
		logger.Warn(warning, zap.String("issuer", j.Issuer))
	}
	return token.NewSet(key)
}

// Cleanup lets go of the keys.
func (j *JWT) Cleanup() error {
	if j.release != nil {
		j.release()
	}
	return nil
}

// Places implements Authenticator.
func (j *JWT) Places() []Place { return j.places }

// bearerPlaces is shared: places are asked for on every request.
var bearerPlaces = []Place{InScheme("Bearer")}

// Authenticate implements Authenticator. What is not a token, and what another
// issuer says it has issued, is left to the other methods.
func (j *JWT) Authenticate(r *http.Request, c Credential) identity.Outcome {
	raw := c.Value
	if j.From == "basic_password" {
		_, raw, _ = decodeBasic(c.Value)
	}
	if id := j.verifier.Remembered(raw); id != nil {
		return identity.Accept(id)
	}
	issuer, isToken := token.Issuer(raw)
	if isToken && j.Issuer != anyone && issuer != j.Issuer {
		return identity.Outcome{Verdict: identity.Unclaimed, Reason: identity.ReasonTokenIssuer, Details: []identity.Detail{
			{Name: "expected_issuer", Value: j.Issuer}, {Name: "received_issuer", Value: issuer},
		}}
	}
	if outcome, wait := j.forgers.refuse(r); wait {
		return outcome
	}
	id, err := j.verifier.Verify(raw)
	if err == nil {
		return identity.Accept(id)
	}
	outcome := outcomeOf(err)
	switch {
	case !isToken:
		outcome.Verdict = identity.Unclaimed
	case outcome.Reason == identity.ReasonKeysUnavailable:
		outcome.Verdict = identity.Unavailable
	case outcome.Reason == identity.ReasonTokenSignature:
		j.forgers.count(r)
	}
	return outcome
}

// outcomeOf turns a verifier's error into an outcome.
func outcomeOf(err error) identity.Outcome {
	var refusal *token.Error
	if errors.As(err, &refusal) {
		return identity.Reject(refusal.Reason, refusal.Details...)
	}
	return identity.Reject(identity.ReasonTokenMalformed)
}

// sharedIssuers are issuers from which anybody can get a token, so that being
// known to them means nothing by itself.
var sharedIssuers = []string{
	"https://accounts.google.com",
	"https://token.actions.githubusercontent.com",
	"https://gitlab.com",
	"https://appleid.apple.com",
	"https://login.microsoftonline.com/common/v2.0",
	"https://login.microsoftonline.com/organizations/v2.0",
	"https://login.microsoftonline.com/consumers/v2.0",
	"https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0", // consumers, as their tokens say
}

// AcceptsAnybody reports whether strangers can make themselves known.
func (j *JWT) AcceptsAnybody() bool {
	return len(j.Require) == 0 && slices.Contains(sharedIssuers, strings.TrimSuffix(j.Issuer, "/"))
}

// Challenges implements Authenticator.
func (j *JWT) Challenges(d identity.Demand) []identity.Challenge {
	switch j.From {
	case "basic_password":
		return []identity.Challenge{basicChallenge(defaultRealm)}
	case "header":
		return []identity.Challenge{keyChallenge(j.Name)}
	}
	// a cookie has no scheme to ask for it by: a bearer token would do as well
	return []identity.Challenge{bearerChallenge(d)}
}

// Interface guards.
var (
	_ caddy.Provisioner     = (*JWT)(nil)
	_ caddy.CleanerUpper    = (*JWT)(nil)
	_ caddyfile.Unmarshaler = (*JWT)(nil)
	_ Authenticator         = (*JWT)(nil)
)
