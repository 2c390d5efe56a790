// Package policy asks Rego policies whether a request may pass. A set of
// policies is loaded and compiled whole, swapped whole when its files change,
// and evaluated without locks.
//
// It fails closed: only a true allow allows, and whatever cannot be evaluated
// is a refusal with a reason of its own.
package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/policy/builtins"
	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
)

const (
	// defaultDecision is the rule that decides unless another one is configured.
	defaultDecision = "data.caddy.authz.allow"
	// accessDecision decides where there is an access table and no policy.
	accessDecision = "data.caddy.access.decision"
	// authenticatedDecision decides where there is neither.
	authenticatedDecision = "data.caddy.authenticated.allow"
	defaultTimeout        = 100 * time.Millisecond

	// defaultCache is the size of the decision cache by default, in bytes (16 MiB).
	defaultCache = 16 << 20
	// MinCache is the smallest DecisionCache that is accepted, in bytes (1 MiB): a smaller
	// number is probably one of another unit.
	MinCache = 1 << 20
	// maxCache is the largest one, in bytes (1 TiB).
	maxCache = 1 << 40
	// NoCache is the DecisionCache of no cache.
	NoCache = -1
)

// Config says which policies a set has. Equal configurations may share a set.
type Config struct {
	// Sources are directories and files of Rego and data, and packed bundles (.tar.gz). A
	// directory is a plain OPA bundle root.
	Sources []string
	// Roots have, by source, the paths below data that it owns, such as team/photos. They
	// replace those of the source's manifest.
	Roots map[string][]string
	// VerifyKeys verify the signatures of packed bundles: if there are any, a bundle without
	// a signature is refused, and without any, one with a signature.
	VerifyKeys []bundle.VerifyKey
	// VerifyScope is the scope that a signature must have; "" is none.
	VerifyScope string
	// SkipVerification loads packed bundles whatever their signatures, for tools that decide
	// nothing.
	SkipVerification bool
	// Access are files of access tables.
	Access []string
	// Decision is the rule that decides, such as data.caddy.authz.allow. Empty
	// means that one if there are Sources, else the access table's own.
	Decision string
	// Timeout bounds one evaluation; 0 means 100ms.
	Timeout time.Duration
	// AllowBuiltins names built-in functions that are off otherwise: those that
	// reach out of the policy (http.send, net.lookup_ip_addr, opa.runtime), and those
	// that may compute for seconds on a short text (graph.reachable_paths,
	// rego.parse_module, graphql.*, each by its name).
	AllowBuiltins []string
	// OPAEnvoy gives policies the document of opa-envoy-plugin, with credentials,
	// and reads their answers as it does. Errors of built-in functions are then
	// undefined.
	OPAEnvoy bool
	// ClaimsSchema is the file of a JSON Schema of input.identity.claims. Empty
	// means that they may be anything.
	ClaimsSchema string
	// RequireTests takes policies only if the tests in their sources pass.
	RequireTests bool
	// DecisionCache is how many bytes of decisions are remembered where that is
	// sound, at least MinCache; 0 means 16 MiB, and NoCache none.
	DecisionCache int64
	// Watch takes changed files while running.
	Watch bool
}

// decisionForm is what a decision path looks like. Nothing else of it is ever
// made part of a query.
var decisionForm = regexp.MustCompile(`^data(\.[A-Za-z_][A-Za-z0-9_]*)+$`)

// Normalized returns the configuration with its defaults and with absolute
// paths, so that equal ones are equal.
func (c Config) Normalized() Config {
	c.Sources, c.Access = files.AbsAll(c.Sources), files.AbsAll(c.Access)
	roots := c.Roots
	c.Roots = nil
	for source, paths := range roots {
		if c.Roots == nil {
			c.Roots = map[string][]string{}
		}
		c.Roots[files.Abs(source)] = paths
	}
	c.VerifyKeys = slices.Clone(c.VerifyKeys)
	for i, key := range c.VerifyKeys {
		c.VerifyKeys[i].Path = files.Abs(key.Path)
	}
	if c.ClaimsSchema != "" {
		c.ClaimsSchema = files.AbsAll([]string{c.ClaimsSchema})[0]
	}
	c.AllowBuiltins = slices.Sorted(slices.Values(c.AllowBuiltins))
	switch {
	case c.Decision != "":
	case c.OPAEnvoy:
		c.Decision = bundle.EnvoyDecision
	case len(c.Sources) > 0:
		c.Decision = defaultDecision
	case len(c.Access) > 0:
		c.Decision = accessDecision
	default:
		c.Decision = authenticatedDecision
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.DecisionCache == 0 {
		c.DecisionCache = defaultCache
	}
	return c
}

// Check reports what is wrong with the configuration whatever its files hold.
func (c Config) Check() error {
	if c.Decision != "" && !decisionForm.MatchString(c.Decision) {
		return fmt.Errorf("decision: %q is not the path of a rule, such as %s", c.Decision, defaultDecision)
	}
	if c.Timeout < 0 {
		return errors.New("timeout: it is negative")
	}
	if cache := c.DecisionCache; cache != 0 && cache != NoCache && (cache < MinCache || cache > maxCache) {
		return fmt.Errorf("decision_cache: %d bytes are not between 1MiB (%d) and 1TiB; %d for none", cache, MinCache, NoCache)
	}
	for _, name := range c.AllowBuiltins {
		if !slices.Contains(builtins.Gated(), name) {
			return fmt.Errorf("builtins: %q is not one that is off (allowed: %s)", name, strings.Join(builtins.Gated(), " "))
		}
	}
	if strings.Contains(c.ClaimsSchema, "://") {
		return fmt.Errorf("claims_schema: %q is not a file", c.ClaimsSchema)
	}
	for _, path := range slices.Concat(c.Sources, c.Access) {
		switch {
		case path == "":
			return errors.New("a path is empty")
		case strings.Contains(path, "://"):
			return fmt.Errorf("%q: bundles are not fetched from a server; name a directory, a file or a packed bundle (.tar.gz)", path)
		}
	}
	for _, path := range c.Access {
		if bundle.IsArchive(path) {
			return fmt.Errorf("%q is a bundle of policies, not an access table: write policies %s", path, path)
		}
	}
	return c.checkBundles()
}

// rootForm is what a root looks like.
var rootForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z0-9_]+)*$`)

// checkBundles reports what is wrong with the settings of packed bundles.
func (c Config) checkBundles() error {
	for source, roots := range c.Roots {
		if !slices.Contains(c.Sources, source) {
			return fmt.Errorf("roots: %q is not one of the sources", source)
		}
		for _, root := range roots {
			if !rootForm.MatchString(root) {
				return fmt.Errorf("roots: %q is not a path below data, such as team/photos", root)
			}
		}
	}
	for _, key := range c.VerifyKeys {
		if key.Algorithm != "" && !slices.Contains(bundle.SignatureAlgorithms(), key.Algorithm) {
			return fmt.Errorf("verify_key: unknown algorithm %q; allowed: %s", key.Algorithm, strings.Join(bundle.SignatureAlgorithms(), " "))
		}
	}
	switch {
	case len(c.VerifyKeys) == 0 && c.VerifyScope != "":
		return errors.New("verify_scope needs verify_key, the key that verifies bundles")
	case len(c.VerifyKeys) > 0 && !slices.ContainsFunc(c.Sources, bundle.IsArchive):
		return errors.New("verify_key verifies packed bundles (.tar.gz), and none of the sources is one")
	}
	return nil
}

// Bundle returns what is loaded for the configuration, or what is wrong with it.
func (c Config) Bundle() (bundle.Options, error) {
	if err := c.Check(); err != nil {
		return bundle.Options{}, err
	}
	return c.Normalized().options(), nil
}

// options returns what is loaded for a normalized configuration.
func (c Config) options() bundle.Options {
	return bundle.Options{
		Sources: c.Sources, Roots: c.Roots, VerifyKeys: c.VerifyKeys, VerifyScope: c.VerifyScope, SkipVerification: c.SkipVerification,
		Access: c.Access, Decision: c.Decision, AllowBuiltins: c.AllowBuiltins, OPAEnvoy: c.OPAEnvoy,
		ClaimsSchema: c.ClaimsSchema, RequireTests: c.RequireTests,
		TableOnly: c.Decision == accessDecision && len(c.Sources) == 0 && len(c.Access) > 0 && !c.OPAEnvoy,
	}
}
