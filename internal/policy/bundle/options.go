package bundle

import (
	"slices"

	"github.com/policyauth/caddy-policy-auth/internal/files"
)

// Options says which policies, data and access tables are loaded. Paths are absolute.
type Options struct {
	// Sources are directories and files of Rego and data, and packed bundles (.tar.gz).
	Sources []string
	// Roots have, by source, the paths below data that it owns, such as team/photos. They
	// replace those of the source's manifest.
	Roots map[string][]string
	// VerifyKeys verify the signatures of packed bundles. If there are any, a bundle
	// without a signature is refused; without any, one with a signature is.
	VerifyKeys []VerifyKey
	// VerifyScope is the scope that a signature must have; "" is none.
	VerifyScope string
	// SkipVerification loads packed bundles without a look at their signatures, for tools
	// that decide nothing.
	SkipVerification bool
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
	for _, key := range o.VerifyKeys {
		paths = append(paths, key.Path)
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
