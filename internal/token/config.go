package token

import (
	"errors"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/claimpath"
)

const (
	defaultLeeway = 60 * time.Second
	// maxLeeway is RFC 7519's "few minutes", section 4.1.4.
	maxLeeway = 300 * time.Second
)

// Config configures a Verifier.
type Config struct {
	// Issuer is the required value of iss, which is compared exactly. "" accepts any
	// issuer and tokens without one, which is safe only with the operator's own
	// keys.
	Issuer string
	// Audiences are the accepted audiences, one of which must be in aud. Exactly one
	// of Audiences and AnyAudience must be set.
	Audiences []string
	// ExtraAudiences are further values that aud of an ID token may hold beside
	// Audiences. They are not sufficient alone.
	ExtraAudiences []string
	// AnyAudience accepts tokens for other applications.
	AnyAudience bool
	// Algorithms are the accepted values of alg. Nil means HS256 for a secret, and
	// all asymmetric algorithms for other keys. An empty list is an error.
	Algorithms []string
	// Leeway is the tolerated difference of the issuer's clock, at most 300 seconds;
	// 0 means 60 seconds.
	Leeway time.Duration
	// MaxAge is how long after iat a token is accepted; 0 means until exp.
	MaxAge time.Duration
	// Type is the required typ, such as at+jwt, which also requires the claims of an
	// access token (RFC 9068). "" accepts the types JWT and at+jwt and tokens
	// without a type.
	Type string
	// Map says where the fields id, username, name, email, roles, groups and
	// scopes of an identity come from: dotted paths or JSON pointers, of which
	// the first with a value other than null counts. For lists a path may end in
	// [].<member>, a member of each object in a list, or begin with keys:, the
	// names in an object, and then end in " having <member>". A field that is not
	// named keeps its default.
	Map map[string][]string
	// SkippedClaims is called with the claims of a verified token that were ignored
	// because of their type, such as "groups: an object". It may be nil.
	SkippedClaims func(claims []string)
	// Require lists further required claims.
	Require []Requirement
	// Keys provides the keys.
	Keys KeySource
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Requirement is a claim that must have one of the values: as a string, as an item
// of a list, or as a number or boolean with this text.
type Requirement struct {
	// Claim is a dotted path or a JSON pointer.
	Claim string
	// Values are the accepted values, at least one.
	Values []string
}

// New returns a verifier. Its errors name the option, the invalid value and the
// allowed values. It does not wait for keys.
func New(c Config) (*Verifier, error) {
	v, err := newClaimsVerifier(c)
	if err != nil {
		return nil, err
	}
	v.method, v.keys, v.cache = "jwt", c.Keys, newTokenCache()
	for _, set := range []func(Config) error{v.setAlgorithms, v.setMaxAge, v.setType} {
		if err := set(c); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// newClaimsVerifier returns a verifier with what does not depend on keys and signatures.
func newClaimsVerifier(c Config) (*Verifier, error) {
	v := &Verifier{issuer: c.Issuer, now: c.Now, skippedClaims: c.SkippedClaims}
	if v.now == nil {
		v.now = time.Now
	}
	for _, set := range []func(Config) error{v.setAudiences, v.setLeeway, v.setMap, v.setRequirements} {
		if err := set(c); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (v *Verifier) setAudiences(c Config) error {
	switch {
	case c.AnyAudience && len(c.Audiences) > 0:
		return errors.New("audience: any and named audiences exclude each other")
	case !c.AnyAudience && len(c.Audiences) == 0:
		return errors.New("audience: missing: name the audiences to accept, such as audience https://api.example.com; audience any accepts every token of the issuer, also those issued for other applications")
	case slices.Contains(c.Audiences, ""):
		return errors.New("audience: empty")
	}
	v.audiences = slices.Clone(c.Audiences)
	v.extraAudiences = c.ExtraAudiences
	return nil
}

// setAlgorithms sets the allowed algorithms, which neither tokens nor new keys can
// change.
func (v *Verifier) setAlgorithms(c Config) error {
	if c.Keys == nil {
		return errors.New("keys: missing")
	}
	fitting := c.Keys.Algorithms()
	if len(fitting) == 0 {
		return errors.New("keys: they fit no algorithm")
	}
	chosen := slices.Clone(c.Algorithms)
	for i, name := range chosen {
		chosen[i] = Canonical(name)
	}
	if c.Algorithms == nil {
		v.algorithms = AsymmetricAlgorithms()
		if allSymmetric(fitting) {
			v.algorithms = []string{"HS256"}
		}
		return nil
	}
	if len(c.Algorithms) == 0 {
		return fmt.Errorf("algorithms: empty (allowed: %s)", strings.Join(fitting, " "))
	}
	for _, name := range chosen {
		if methods[name] == nil {
			return fmt.Errorf("algorithms: %q is unknown (allowed: %s)", name, strings.Join(fitting, " "))
		}
	}
	if err := checkMix(chosen); err != nil {
		return fmt.Errorf("algorithms: %w", err)
	}
	for _, name := range chosen {
		if !slices.Contains(fitting, name) {
			return fmt.Errorf("algorithms: no key fits %s (allowed: %s)", name, strings.Join(fitting, " "))
		}
	}
	v.algorithms = chosen
	return nil
}

func (v *Verifier) setMaxAge(c Config) error {
	if c.MaxAge < 0 {
		return fmt.Errorf("max_token_age: %s is negative", c.MaxAge)
	}
	v.maxAge = c.MaxAge
	return nil
}

func (v *Verifier) setLeeway(c Config) error {
	if c.Leeway < 0 || c.Leeway > maxLeeway {
		return fmt.Errorf("leeway: %s is out of range (allowed: up to %s)", c.Leeway, maxLeeway)
	}
	v.leeway = c.Leeway
	if v.leeway == 0 {
		v.leeway = defaultLeeway
	}
	return nil
}

func (v *Verifier) setType(c Config) error {
	if c.Type == "" {
		return nil
	}
	v.typ = normalizeType(c.Type)
	if v.typ == IdentityType {
		return fmt.Errorf("typ: %s is the type of the JWTs that identity_jwt issues for upstreams, which are no credentials", c.Type)
	}
	media, params, err := mime.ParseMediaType("application/" + v.typ)
	if err != nil || len(params) > 0 || media != "application/"+v.typ {
		return fmt.Errorf("typ: %q is not a media type (allowed: such as at+jwt or JWT)", c.Type)
	}
	return nil
}

func (v *Verifier) setMap(c Config) error {
	wanted := maps.Clone(defaultMap)
	for _, field := range slices.Sorted(maps.Keys(c.Map)) {
		if _, known := defaultMap[field]; !known {
			return fmt.Errorf("map: %q is not a field (allowed: %s)", field, strings.Join(slices.Sorted(maps.Keys(defaultMap)), " "))
		}
		wanted[field] = c.Map[field]
	}
	v.sources, v.customFields = map[string][]claimSource{}, map[string]bool{}
	for field, texts := range wanted {
		sources, err := parseClaimSources(texts, slices.Contains(listFields, field))
		if err != nil {
			return fmt.Errorf("map %s: %w", field, err)
		}
		v.sources[field], v.customFields[field] = sources, c.Map[field] != nil
	}
	return nil
}

func (v *Verifier) setRequirements(c Config) error {
	for _, r := range c.Require {
		s, err := claimpath.Parse(r.Claim)
		if err != nil {
			return fmt.Errorf("require: %w", err)
		}
		if len(r.Values) == 0 {
			return fmt.Errorf("require %s: no value: name at least one that the claim may hold", r.Claim)
		}
		v.requirements = append(v.requirements, requirement{source: s, values: slices.Clone(r.Values)})
	}
	return nil
}
