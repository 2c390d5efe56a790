package bundle

import (
	"slices"

	"github.com/policyauth/caddy-policy-auth/internal/files"
)

// Options says which policies, data and access tables are loaded. Paths are absolute.
type Options struct {
	// Sources are directories and files of Rego and data.
	Sources []string
	// Access are files of access tables.
	Access []string
	// Decision is the rule that decides, such as data.caddy.authz.allow.
	Decision string
	// AllowBuiltins names gated built-in functions that are on.
	AllowBuiltins []string
	// OPAEnvoy is for policies that are written for opa-envoy-plugin.
	OPAEnvoy bool
	// ClaimsSchema is the file of a JSON Schema of input.identity.claims, or "".
	ClaimsSchema string
	// RequireTests loads policies only if the tests in their sources pass.
	RequireTests bool
	// TableOnly says that the access table decides by itself: no Rego is compiled.
	TableOnly bool
}

// Files returns which files are read: those of the sources, and the tests among them if
// asked for.
func (o Options) Files(tests bool) files.Options {
	paths := slices.Concat(o.Sources, o.Access)
	if o.ClaimsSchema != "" {
		paths = append(paths, o.ClaimsSchema)
	}
	if tests || o.RequireTests {
		return files.Options{Paths: paths, Include: keepTests}
	}
	return files.Options{Paths: paths, Include: keep}
}

// Checker looks for mistakes that OPA's compiler does not report. A function that is nil
// checks nothing.
type Checker struct {
	// Schema returns an error for a JSON Schema in a file that cannot be used; name is
	// what it describes, such as input.identity.claims.
	Schema func(path string, document map[string]any, name string) error
	// Policies checks compiled policies. An error keeps them out of use.
	Policies func(*Program) (warnings []string, err error)
	// Tests runs the tests, if the options require them. An error keeps the policies
	// out of use.
	Tests func(*Bundle) (warnings []string, err error)
}
