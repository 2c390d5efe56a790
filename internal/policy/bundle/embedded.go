package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"

	policyfiles "github.com/policyauth/caddy-policy-auth/policies"
)

// EmbeddedPrefix begins the file names of this project's own policies.
const EmbeddedPrefix = "embedded/"

// builtIn is a policy of this project. It is parsed when it is needed.
type builtIn struct {
	path  ast.Ref // of its package
	parse func() (*parsed, error)
}

// embedded returns the policies of this project by file name, without tests
// and examples.
var embedded = sync.OnceValues(func() (map[string]builtIn, error) {
	policies := map[string]builtIn{}
	err := fs.WalkDir(policyfiles.FS, "caddy", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".rego") || strings.HasSuffix(path, "_test.rego") {
			return err
		}
		content, err := fs.ReadFile(policyfiles.FS, path)
		if err != nil {
			return err
		}
		policies[EmbeddedPrefix+path] = builtIn{packageOf(string(content)), sync.OnceValues(func() (*parsed, error) {
			module, err := ast.ParseModuleWithOpts(EmbeddedPrefix+path, string(content), ast.ParserOptions{RegoVersion: ast.RegoV1})
			if err != nil {
				return nil, err
			}
			return &parsed{module, outlineOf(module)}, nil
		})}
		return nil
	})
	return policies, err
})

// packageOf returns the package of a policy that is known to be right.
func packageOf(policy string) ast.Ref {
	for line := range strings.Lines(policy) {
		if name, ok := strings.CutPrefix(line, "package "); ok {
			return Ref("data." + strings.TrimSpace(name))
		}
	}
	return nil
}

// BuiltInPackages returns the paths of the packages of this project. No other source may
// add to them.
func BuiltInPackages() ([]ast.Ref, error) {
	own, err := embedded()
	var packages []ast.Ref
	for _, file := range slices.Sorted(maps.Keys(own)) {
		packages = append(packages, own[file].path)
	}
	return packages, err
}

// Embedded returns all policies of this project, parsed.
func Embedded() (map[string]*ast.Module, error) {
	own, err := embedded()
	modules := map[string]*ast.Module{}
	for file, policy := range own {
		p, failure := policy.parse()
		if failure != nil {
			return nil, failure
		}
		modules[file] = p.module
	}
	return modules, err
}

// addEmbedded adds this project's own policies that are used, at some paths or by a
// policy or a test. No other source may add to the packages of any.
func (b *Bundle) addEmbedded(used []dataPath) error {
	own, err := embedded()
	if err != nil {
		return err
	}
	if err := errors.Join(checkReserved(b.Modules, own), checkReserved(b.Tests, own)); err != nil {
		return err
	}
	for _, o := range b.outlines {
		used = append(used, o.uses...)
	}
	for len(used) > 0 {
		at := used[len(used)-1]
		used = used[:len(used)-1]
		for file, policy := range own {
			if b.Modules[file] != nil || !dataPathOf(policy.path).overlaps(at) {
				continue
			}
			p, err := policy.parse()
			if err != nil {
				return err
			}
			b.Modules[file], b.outlines[file] = p.module, p.outline
			used = append(used, p.outline.uses...)
		}
	}
	return nil
}

// checkReserved refuses policies that add to what is built in: by their package,
// or by a rule whose name leads there.
func checkReserved(modules map[string]*ast.Module, own map[string]builtIn) error {
	reserved := []ast.Ref{Ref("data.caddy." + tableRoot)}
	for _, policy := range own {
		reserved = append(reserved, policy.path)
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
	return JoinErrors(problems)
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
