package authn

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/grammar"
	"github.com/policyauth/caddy-policy-auth/internal/identity"
	"github.com/policyauth/caddy-policy-auth/internal/pool"
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

	// The secret for HS256, HS384 or HS512, at least as long as the hash.
	// Placeholders are replaced; an empty or unknown one is an error. Exactly one
	// of secret and key_files is required.
	Secret string `json:"secret,omitempty"`

	// Files of public keys or certificates in PEM, watched and swapped as one;
	// one that turns bad leaves the last good keys in use.
	KeyFiles []string `json:"key_files,omitempty"`

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
//	    secret <secret>
//	    key_file <file>...
//	    audience <audience>...|any
//	    algorithms <name>...
//	    leeway <duration>
//	    max_token_age <duration>
//	    typ <type>
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
		"secret":        grammar.String(&j.Secret),
		"key_file":      grammar.Strings(&j.KeyFiles),
		"audience":      grammar.Strings(&j.Audience),
		"algorithms":    grammar.Strings(&j.Algorithms),
		"leeway":        grammar.Duration(&j.Leeway),
		"max_token_age": grammar.Duration(&j.MaxTokenAge),
		"typ":           grammar.String(&j.Typ),
		"map":           j.parseMap,
		"require":       j.parseRequire,
	})
	if err != nil {
		return err
	}
	return grammar.At(line, j.check())
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
	case j.Secret == "" && len(j.KeyFiles) == 0:
		return fmt.Errorf("jwt %s: name the keys: one of secret key_file", j.Issuer)
	case j.Secret != "" && len(j.KeyFiles) > 0:
		return fmt.Errorf("jwt %s: secret and key_file exclude each other", j.Issuer)
	case len(j.Audience) > 1 && slices.Contains(j.Audience, anyone):
		return fmt.Errorf("jwt %s: audience any stands alone", j.Issuer)
	}
	if _, err := token.New(j.config(placeholderKeys(j.Secret != ""))); err != nil {
		return fmt.Errorf("jwt %s: %w", j.Issuer, err)
	}
	return nil
}

// placeholderKeys fit every algorithm of their sort: they stand in while the
// configuration is checked without its files.
type placeholderKeys bool

// Candidates implements token.KeySource.
func (placeholderKeys) Candidates(string, string) ([]token.Key, error) { return nil, nil }

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
	keys, err := j.keys(ctx.Logger())
	if err == nil {
		j.verifier, err = token.New(j.config(keys))
	}
	if err != nil {
		return fmt.Errorf("jwt %s: %w", j.Issuer, err)
	}
	return nil
}

func (j *JWT) keys(logger *zap.Logger) (token.KeySource, error) {
	if j.Secret == "" {
		files, release, err := keyFiles.Acquire(j.KeyFiles, func() (*keyFileSource, error) { return openKeyFiles(j.KeyFiles) })
		j.release = release
		return files, err
	}
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
func (j *JWT) Places() []Place { return bearerPlaces }

// bearerPlaces is shared: places are asked for on every request.
var bearerPlaces = []Place{InScheme("Bearer")}

// Authenticate implements Authenticator. What is not a token, and what another
// issuer says it has issued, is left to the other methods.
func (j *JWT) Authenticate(_ *http.Request, c Credential) identity.Outcome {
	issuer, isToken := token.Issuer(c.Value)
	if isToken && j.Issuer != anyone && issuer != j.Issuer {
		return identity.Outcome{Verdict: identity.Unclaimed, Reason: identity.ReasonTokenIssuer, Details: []identity.Detail{
			{Name: "expected_issuer", Value: j.Issuer}, {Name: "received_issuer", Value: issuer},
		}}
	}
	id, err := j.verifier.Verify(c.Value)
	if err == nil {
		return identity.Accept(id)
	}
	outcome := identity.Reject(identity.ReasonTokenMalformed)
	var refusal *token.Error
	if errors.As(err, &refusal) {
		outcome = identity.Reject(refusal.Reason, refusal.Details...)
	}
	switch {
	case !isToken:
		outcome.Verdict = identity.Unclaimed
	case outcome.Reason == identity.ReasonKeysUnavailable:
		outcome.Verdict = identity.Unavailable
	}
	return outcome
}

// Challenges implements Authenticator.
func (j *JWT) Challenges(d identity.Demand) []identity.Challenge {
	return []identity.Challenge{bearerChallenge(d)}
}

// keyFiles holds the key files in use, shared between sites.
var keyFiles = pool.New[*keyFileSource]()

// keyFileSource is a token.KeySource over watched files.
type keyFileSource struct{ *files.Live[token.Set] }

func openKeyFiles(paths []string) (*keyFileSource, error) {
	live, err := openFiles("keys", paths, parseKeyFiles)
	return &keyFileSource{live}, err
}

func parseKeyFiles(tree files.Tree) (*token.Set, error) {
	var keys []token.Key
	for _, path := range tree.Paths() {
		parsed, err := token.ParsePEM(path, tree[path])
		if err != nil {
			return nil, err
		}
		keys = append(keys, parsed...)
	}
	return token.NewSet(keys...)
}

// Candidates implements token.KeySource.
func (s *keyFileSource) Candidates(kid, algorithm string) ([]token.Key, error) {
	return s.Load().Candidates(kid, algorithm)
}

// Algorithms implements token.KeySource.
func (s *keyFileSource) Algorithms() []string { return s.Load().Algorithms() }

// Interface guards.
var (
	_ caddy.Provisioner     = (*JWT)(nil)
	_ caddy.CleanerUpper    = (*JWT)(nil)
	_ caddyfile.Unmarshaler = (*JWT)(nil)
	_ Authenticator         = (*JWT)(nil)
	_ token.KeySource       = (*keyFileSource)(nil)
)
