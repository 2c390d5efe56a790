package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// reaching are the built-in functions that wait for other servers, or read what
// is outside of the policy: off unless named.
var reaching = []string{"http.send", "net.lookup_ip_addr", "opa.runtime"}

// costly are those that may compute for seconds on a short text: off unless named,
// too, because no timeout ends a call that is under way.
var costly = []string{
	"graph.reachable_paths", "graphql.is_valid", "graphql.parse", "graphql.parse_and_verify", "graphql.parse_query",
	"graphql.parse_schema", "graphql.schema_is_valid", "rego.parse_module", "strings.render_template",
}

// gated are the built-in functions that are off unless named.
var gated = slices.Concat(reaching, costly)

// GatedBuiltins returns the names of the built-in functions that are off unless
// named.
func GatedBuiltins() []string { return slices.Clone(gated) }

// allowed returns OPA's capabilities without the gated built-ins that are not
// named, so that a policy that calls one does not even compile. A schema's $ref
// reaches no other host (T-49).
func allowed(names []string) *ast.Capabilities {
	capabilities := ast.CapabilitiesForThisVersion()
	if !slices.Contains(names, "http.send") {
		capabilities.AllowNet = []string{}
	}
	capabilities.Builtins = slices.DeleteFunc(slices.Clone(capabilities.Builtins), func(b *ast.Builtin) bool {
		return slices.Contains(gated, b.Name) && !slices.Contains(names, b.Name)
	})
	return capabilities
}

// undefinedFunction begins what OPA's compiler says of a function that is not there.
const undefinedFunction = "undefined function "

// explainGated says of a function that is off that it is, and how to turn it on,
// where OPA's compiler can only say that it is undefined.
func explainGated(errs ast.Errors) ast.Errors {
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
