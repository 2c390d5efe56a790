package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
)

// manifestName is the name of a bundle's manifest, which stands at its root.
const manifestName = ".manifest"

// signaturesName is the name of a bundle's signatures, beside the manifest.
const signaturesName = ".signatures.json"

// errUnverified refuses a signed bundle, as OPA does without a key.
var errUnverified = errors.New("verification key not provided: a directory may change after it was signed, so that only packed bundles (.tar.gz) are verified, with verify_key; remove the file if you trust the directory as it is")

// manifest is what a bundle says of itself. The zero value says nothing.
type manifest struct {
	bundle.Manifest
	path string
}

// read decodes a manifest. What it asks for and cannot have is an error: a
// policy in WebAssembly, and an older version of Rego.
func (m *manifest) read(path string, content []byte) error {
	m.path = path
	err := json.Unmarshal(content, &m.Manifest)
	switch {
	case err != nil:
		return located(path, content, err)
	case len(m.WasmResolvers) > 0:
		return fmt.Errorf("%s: wasm: policies in WebAssembly are not run, only Rego", path)
	case m.RegoVersion != nil && *m.RegoVersion != ast.RegoV1.Int(), len(m.FileRegoVersions) > 0:
		return fmt.Errorf("%s: rego_version: only version 1 is read", path)
	}
	return nil
}

// check holds a source to the roots of its manifest, which own its policies and
// data: OPA would refuse such a bundle as well.
func (m *manifest) check(s *source) error {
	if m.Roots == nil {
		return nil
	}
	var problems []error
	for _, path := range slices.Sorted(maps.Keys(s.modules)) {
		if at := segments(s.modules[path].Package.Path); !bundle.RootPathsContain(*m.Roots, at) {
			problems = append(problems, fmt.Errorf("%s: the package %s is outside of the roots in %s", s.modules[path].Package.Location, dotted(at), m.path))
		}
	}
	if at, ok := outside(*m.Roots, s.data, ""); ok {
		problems = append(problems, errors.New("data."+dotted(at)+" is outside of the roots in "+m.path))
	}
	return JoinErrors(problems)
}

// segments returns a package's path with slashes, without data.
func segments(ref ast.Ref) string {
	names := make([]string, 0, len(ref))
	for _, term := range ref[1:] {
		if name, ok := term.Value.(ast.String); ok {
			names = append(names, string(name))
		}
	}
	return strings.Join(names, "/")
}

func dotted(path string) string { return strings.ReplaceAll(path, "/", ".") }

// outside returns the path of a member that no root has.
func outside(roots []string, data ast.Object, path string) (found string, ok bool) {
	data.Until(func(name, value *ast.Term) bool {
		at := strings.TrimPrefix(path+"/"+nameOf(name), "/")
		if bundle.RootPathsContain(roots, at) {
			return false
		}
		inner, isObject := value.Value.(ast.Object)
		if leads := slices.ContainsFunc(roots, func(root string) bool { return bundle.RootPathsOverlap(root, at) }); !leads || !isObject {
			found, ok = at, true
		} else {
			found, ok = outside(roots, inner, at)
		}
		return ok
	})
	return found, ok
}
