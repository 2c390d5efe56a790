// Package builtins decides which of OPA's built-in functions policies may call, and
// with what: some are off by default, operands are limited in size, none connects to
// Caddy's admin endpoint, and the deterministic ones are known.
//
// Importing it replaces functions in OPA's registry, for the whole process.
package builtins

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// external are the built-in functions that call other servers or read the process's
// environment. They are off unless the configuration allows them by name.
var external = []string{"http.send", "net.lookup_ip_addr", "opa.runtime"}

// costly are the built-in functions that may compute for seconds on a short text. They
// are off as well, because a timeout cannot end a call that is running.
var costly = []string{
	"graph.reachable_paths", "graphql.is_valid", "graphql.parse", "graphql.parse_and_verify", "graphql.parse_query",
	"graphql.parse_schema", "graphql.schema_is_valid", "rego.parse_module", "strings.render_template",
}

// gated are the built-in functions that are off by default.
var gated = slices.Concat(external, costly)

// Gated returns the names of the built-in functions that are off by default.
func Gated() []string { return slices.Clone(gated) }

// External reports whether a built-in function calls other servers or reads the
// process's environment.
func External(name string) bool { return slices.Contains(external, name) }

// Capabilities returns OPA's capabilities with only those gated built-in functions
// that are named: a policy that calls another one does not compile. A schema's $ref
// is never fetched (T-49).
func Capabilities(names []string) *ast.Capabilities {
	capabilities := ast.CapabilitiesForThisVersion()
	if !slices.Contains(names, "http.send") {
		capabilities.AllowNet = []string{}
	}
	capabilities.Builtins = slices.DeleteFunc(slices.Clone(capabilities.Builtins), func(b *ast.Builtin) bool {
		return slices.Contains(gated, b.Name) && !slices.Contains(names, b.Name)
	})
	return capabilities
}

// undefinedFunction is how OPA's compiler begins the error for an unknown function.
const undefinedFunction = "undefined function "

// ExplainGated replaces the errors of OPA's compiler for functions that are off, which
// it calls undefined, by errors that say so and how to turn them on.
func ExplainGated(errs ast.Errors) ast.Errors {
	explained := slices.Clone(errs)
	for i, err := range explained {
		name, undefined := strings.CutPrefix(err.Message, undefinedFunction)
		if !undefined || !slices.Contains(gated, name) {
			continue
		}
		why := "it reaches out of the policy"
		if slices.Contains(costly, name) {
			why = "it may compute for seconds on what a client sends"
		}
		changed := *err
		changed.Message = fmt.Sprintf("%s%s: it is off, because %s; to turn it on, write \"builtins allow %s\" in the policies block", undefinedFunction, name, why, name)
		explained[i] = &changed
	}
	return explained
}
