package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/policies"
)

// embeddedPrefix begins the names of this project's own policies.
const embeddedPrefix = "embedded/"

// embedded returns the policies of this project by file name, without tests
// and examples.
var embedded = sync.OnceValues(func() (map[string]*ast.Module, error) {
	modules := map[string]*ast.Module{}
	err := fs.WalkDir(policies.FS, "caddy", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".rego") || strings.HasSuffix(path, "_test.rego") {
			return err
		}
		content, err := fs.ReadFile(policies.FS, path)
		if err != nil {
			return err
		}
		modules[embeddedPrefix+path], err = ast.ParseModuleWithOpts(embeddedPrefix+path, string(content), ast.ParserOptions{RegoVersion: ast.RegoV1})
		return err
	})
	return modules, err
})

// addEmbedded adds this project's own policies, whose packages no other source may
// add to.
func (m *material) addEmbedded() error {
	own, err := embedded()
	if err != nil {
		return err
	}
	if err := errors.Join(checkReserved(m.modules, own), checkReserved(m.tests, own)); err != nil {
		return err
	}
	maps.Copy(m.modules, own)
	return nil
}

// checkReserved refuses policies that add to what is built in: by their package,
// or by a rule whose name leads there.
func checkReserved(modules, own map[string]*ast.Module) error {
	reserved := []ast.Ref{refOf("data.caddy." + tableRoot)}
	for _, module := range own {
		reserved = append(reserved, module.Package.Path)
	}
	var problems []error
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		module := modules[path]
		for _, ref := range reserved {
			if location := addsTo(module, ref); location != nil {
				problems = append(problems, fmt.Errorf("%s: the package %s is built in and cannot be added to; choose another name, such as caddy.authz",
					location, strings.TrimPrefix(ref.String(), "data.")))
			}
		}
	}
	return joinBounded(problems)
}

// addsTo returns where a module adds to what is at a reference, or nil.
func addsTo(module *ast.Module, ref ast.Ref) *ast.Location {
	switch at := module.Package.Path; {
	case at.HasPrefix(ref):
		return module.Package.Location
	case !ref.HasPrefix(at): // no rule of its leads there
		return nil
	}
	for _, rule := range module.Rules {
		if full := rule.Ref().GroundPrefix(); full.HasPrefix(ref) || ref.HasPrefix(full) {
			return rule.Location
		}
	}
	return nil
}
