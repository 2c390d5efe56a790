// Package settings has the blocks of the policy_auth directive that are not modules: policies,
// config, cors, body and error_pages, each with its JSON, its syntax and its defaults. A nil
// pointer is a block that is absent.
package settings

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/policy/builtins"
	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
)

// Policies says where policies are and how they decide.
type Policies struct {
	// Directories and files of Rego and data, and bundles that "opa build" packed
	// (.tar.gz), merged. A bundle cannot have policies or data in system, caddy.access or
	// caddy.helpers, and with bundles the package of the decision is in one source alone.
	// Default: none.
	Sources []string `json:"sources,omitempty"`
	// The paths below data that each source owns, such as {"/etc/caddy/photos.tar.gz":
	// ["photos"]}. Policies or data elsewhere refuse it. They replace the roots of the
	// source's .manifest. Default: those of the .manifest, else everything. Roots of
	// bundles must not overlap.
	Roots map[string][]string `json:"roots,omitempty"`
	// Keys that verify the signatures of bundles, tried in this order. If there are any, a
	// bundle without a signature of one of them is refused; directories and files are not
	// verified. Default: none; signed bundles are refused.
	VerifyKeys []bundle.VerifyKey `json:"verify_keys,omitempty"`
	// Scope that the signature of a bundle must have. Default: none.
	VerifyScope string `json:"verify_scope,omitempty"`
	// The rule that decides. Default: data.caddy.authz.allow.
	Decision string `json:"decision,omitempty"`
	// How long one evaluation may take before the request is denied with 500. Default:
	// 100ms.
	Timeout caddy.Duration `json:"timeout,omitempty"`
	// "watch" applies changed files while Caddy runs, "off" only on a reload through
	// the admin API. Default: watch.
	Reload string `json:"reload,omitempty"`
	// Built-in functions that are off unless named here: those that reach the network
	// or the environment (http.send net.lookup_ip_addr opa.runtime), and those that
	// may compute for seconds on a short text (graph.reachable_paths rego.parse_module
	// strings.render_template graphql.is_valid graphql.parse graphql.parse_and_verify
	// graphql.parse_query graphql.parse_schema graphql.schema_is_valid). Default:
	// none.
	Builtins []string `json:"builtins,omitempty"`
	// Gives policies the input of opa-envoy-plugin besides our own, including its
	// credentials, and reads their decisions as the plugin does. Errors of built-in
	// functions are undefined, and the default decision is data.envoy.authz.allow.
	// Default: false.
	OPAEnvoy bool `json:"opa_envoy,omitempty"`
	// File with a JSON Schema of input.identity.claims. A policy that reads another
	// claim is an error at load. An object has only the properties that the schema
	// lists, unless it has additionalProperties. Default: none; policies may read any
	// claim.
	ClaimsSchema string `json:"claims_schema,omitempty"`
	// Loads policies only if the tests in the same sources (rules test_… in
	// *_test.rego files) pass, within 5s each and 30s in all, and there is at least
	// one. Otherwise loading fails, or the last good policies stay in use. Default:
	// false; tests are ignored.
	RequireTests bool `json:"require_tests,omitempty"`
	// Size of the decision cache in bytes; -1 turns it off. Only decisions that depend
	// on nothing but fields of input are cached. Default: 16 MiB.
	DecisionCache int64 `json:"decision_cache,omitempty"`
}

// Parse parses
//
//	policies <source>... {
//	    roots <path>...
//	    verify_key <file> [<algorithm>]
//	    verify_scope <scope>
//	    decision <data.path>
//	    timeout <duration>
//	    reload watch|off
//	    builtins allow <name>...
//	    opa_envoy
//	    claims_schema <file>
//	    require_tests
//	    decision_cache off|<size>
//	}
//
// and adds to what an earlier block has set. The access tables so far are
// checked with it.
func (p *Policies) Parse(d *caddyfile.Dispenser, access []string) error {
	if d.CountRemainingArgs() == 0 {
		return d.Err("policies wants at least one directory or file, such as policies ./policies")
	}
	sources, err := caddyfileutil.AtLeastOneArg(d)
	if err != nil {
		return err
	}
	p.Sources = append(p.Sources, sources...)
	return caddyfileutil.ValidatedBlock(d, "policies", caddyfileutil.Subdirectives{
		"roots":          func(d *caddyfile.Dispenser) error { return p.parseRoots(d, sources) },
		"verify_key":     p.parseVerifyKey,
		"verify_scope":   caddyfileutil.String(&p.VerifyScope),
		"decision":       caddyfileutil.String(&p.Decision),
		"timeout":        caddyfileutil.Duration(&p.Timeout),
		"reload":         caddyfileutil.Enum(&p.Reload, "watch", "off"),
		"builtins":       p.parseBuiltins,
		"opa_envoy":      caddyfileutil.Flag(&p.OPAEnvoy),
		"claims_schema":  caddyfileutil.String(&p.ClaimsSchema),
		"require_tests":  caddyfileutil.Flag(&p.RequireTests),
		"decision_cache": p.parseDecisionCache,
	}, func() error {
		config, err := p.Config(access)
		if err != nil {
			return err
		}
		return config.Check()
	})
}

// parseRoots parses
//
//	roots <path>...
//
// of the sources on the same line.
func (p *Policies) parseRoots(d *caddyfile.Dispenser, sources []string) error {
	paths, err := caddyfileutil.AtLeastOneArg(d)
	if err != nil {
		return err
	}
	if p.Roots == nil {
		p.Roots = map[string][]string{}
	}
	for _, source := range sources {
		p.Roots[source] = append(p.Roots[source], paths...)
	}
	return nil
}

// parseVerifyKey parses
//
//	verify_key <file> [<algorithm>]
func (p *Policies) parseVerifyKey(d *caddyfile.Dispenser) error {
	var key bundle.VerifyKey
	switch args := d.RemainingArgs(); len(args) {
	case 2:
		key.Algorithm = args[1]
		fallthrough
	case 1:
		key.Path = args[0]
	default:
		return d.Err("verify_key wants a file with a public key, and optionally the algorithm of the signature, such as verify_key bundle.pem ES256")
	}
	p.VerifyKeys = append(p.VerifyKeys, key)
	return nil
}

// parseBuiltins parses
//
//	builtins allow <name>...
func (p *Policies) parseBuiltins(d *caddyfile.Dispenser) error {
	if args := d.CountRemainingArgs(); !d.NextArg() || d.Val() != "allow" || args < 2 {
		return d.Errf("builtins wants allow and at least one name, such as builtins allow http.send; names: %s", strings.Join(builtins.Gated(), " "))
	}
	return caddyfileutil.Strings(&p.Builtins)(d)
}

// parseDecisionCache parses
//
//	decision_cache off|<size>
//
// A size has a unit: 16 alone would be sixteen bytes.
func (p *Policies) parseDecisionCache(d *caddyfile.Dispenser) error {
	if p.DecisionCache != 0 {
		return d.Err("decision_cache is set twice")
	}
	value, err := caddyfileutil.OneArg(d)
	if err != nil {
		return err
	}
	if value == "off" {
		p.DecisionCache = policy.NoCache
		return nil
	}
	_, bare := strconv.ParseFloat(value, 64)
	size, err := humanize.ParseBytes(value)
	if err != nil || bare == nil || size < policy.MinCache || size > math.MaxInt64 {
		return d.Errf("decision_cache wants off, or a size of at least 1MiB with its unit, such as 16MiB, not %q", value)
	}
	p.DecisionCache = int64(size)
	return nil
}

// Config returns which policies decide, beside access tables.
func (p *Policies) Config(access []string) (policy.Config, error) {
	config := policy.Config{Access: access, Watch: true}
	if p == nil {
		return config, nil
	}
	if p.Reload != "" && p.Reload != "watch" && p.Reload != "off" {
		return policy.Config{}, fmt.Errorf("policies: reload is watch or off, not %q", p.Reload)
	}
	config.Sources, config.Decision, config.AllowBuiltins = p.Sources, p.Decision, p.Builtins
	config.Roots, config.VerifyKeys, config.VerifyScope = p.Roots, p.VerifyKeys, p.VerifyScope
	config.Timeout, config.Watch, config.OPAEnvoy = time.Duration(p.Timeout), p.Reload != "off", p.OPAEnvoy
	config.ClaimsSchema = p.ClaimsSchema
	config.RequireTests, config.DecisionCache = p.RequireTests, p.DecisionCache
	return config, nil
}

// Words returns the words of the directive that name files of rules, for errors.
func (p *Policies) Words(access []string) string {
	switch {
	case p == nil:
		return "access"
	case len(access) == 0:
		return "policies"
	}
	return "access, policies"
}
