package policy

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/lint"
)

// keep says which files of a policy directory are looked at: a plain OPA
// bundle root. Other JSON and YAML is looked at to be warned about.
func keep(path string) bool {
	name := filepath.Base(path)
	if strings.HasPrefix(name, ".") {
		return name == manifestName
	}
	switch filepath.Ext(name) {
	case ".rego":
		return !isTest(name)
	case ".json", ".yaml", ".yml":
		return true
	}
	return false
}

// keepTests is keep for those who want the tests of policies as well.
func keepTests(path string) bool {
	return keep(path) || isTest(path) && !strings.HasPrefix(filepath.Base(path), ".")
}

// isTest reports whether a file is one of tests, which decide nothing.
func isTest(path string) bool { return strings.HasSuffix(path, "_test.rego") }

// material is what a look at the sources found.
type material struct {
	modules  map[string]*ast.Module
	tests    map[string]*ast.Module
	data     map[string]any
	input    *lint.Shape // of the input
	shape    *lint.Shape // of the data, nil if no schema says
	tables   []accessFile
	warnings []string
	revision string // of a manifest, or ""
}

// gather parses the policies and data of all sources in a tree.
func gather(tree files.Tree, config Config, capabilities *ast.Capabilities) (*material, error) {
	m := &material{modules: map[string]*ast.Module{}, tests: map[string]*ast.Module{}, data: map[string]any{}}
	var sources []*source
	for _, path := range config.Sources {
		s := &source{path: path, modules: map[string]*ast.Module{}, tests: map[string]*ast.Module{}, data: map[string]any{}}
		if err := s.read(tree, append(slices.Clone(config.Access), config.ClaimsSchema), capabilities); err != nil {
			return nil, err
		}
		if err := m.merge(s); err != nil {
			return nil, err
		}
		sources = append(sources, s)
	}
	m.shape = shapeOfData(sources)
	return m, nil
}

// merge adds what a source has. Data that another source has too is an error.
func (m *material) merge(s *source) error {
	for path, module := range s.modules {
		m.modules[path] = module
	}
	maps.Copy(m.tests, s.tests)
	m.warnings = append(m.warnings, s.warnings...)
	if s.manifest.Revision != "" {
		m.revision = s.manifest.Revision
	}
	if at, ok := mergeInto(m.data, s.data, "data"); !ok {
		return fmt.Errorf("%s: %s is also in another source", s.path, at)
	}
	return nil
}

// source is one place that policies and data come from: a directory or a file.
type source struct {
	path     string
	modules  map[string]*ast.Module
	tests    map[string]*ast.Module
	data     map[string]any
	schema   *schema // of the data, nil if there is none
	warnings []string
	manifest manifest
}

// read parses what a tree has of the source. Data alone will do, since another
// source may have the policies; nothing at all is an error. Files that the
// configuration names for something else are passed over.
func (s *source) read(tree files.Tree, named []string, capabilities *ast.Capabilities) error {
	var problems []error
	found := false
	for _, path := range tree.Paths() {
		name, below := s.relative(path)
		if !below {
			continue
		}
		base := filepath.Base(name)
		switch {
		case filepath.Ext(name) == ".rego":
			found = found || !isTest(base) || path == s.path
			problems = append(problems, s.readPolicy(path, tree[path], capabilities))
		case filepath.ToSlash(name) == schemaName:
			problems = append(problems, s.readSchema(path, tree[path]))
		case slices.Contains(dataNames, base):
			found = true
			problems = append(problems, s.readData(path, name, tree[path]))
		case name == manifestName:
			problems = append(problems, s.manifest.read(path, tree[path]))
		case base != manifestName && !slices.Contains(named, path):
			s.warnings = append(s.warnings, fmt.Sprintf("%s is not read: data files are named %s", path, strings.Join(dataNames, ", ")))
		}
	}
	if !found {
		problems = append(problems, fmt.Errorf("%s: neither policies (*.rego) nor data (%s) there", s.path, strings.Join(dataNames, ", ")))
	}
	if err := joinBounded(problems); err != nil {
		return err
	}
	if err := s.checkData(); err != nil {
		return err
	}
	return s.manifest.check(s)
}

// relative returns a path's name below the source. A source that is a file of
// data stands for a data file at the root.
func (s *source) relative(path string) (string, bool) {
	if path != s.path {
		return strings.CutPrefix(path, s.path+string(filepath.Separator))
	}
	switch ext := filepath.Ext(path); ext {
	case ".json", ".yaml", ".yml":
		return "data" + ext, true
	}
	return filepath.Base(path), true
}

// readPolicy parses a file of Rego, which is version 1.
func (s *source) readPolicy(path string, content []byte, capabilities *ast.Capabilities) error {
	module, err := ast.ParseModuleWithOpts(path, string(content), ast.ParserOptions{
		RegoVersion: ast.RegoV1, Capabilities: capabilities, ProcessAnnotation: true,
	})
	if err != nil {
		return err
	}
	if module == nil {
		return fmt.Errorf("%s:1: the file has no policy in it", path)
	}
	if isTest(path) && path != s.path {
		s.tests[path] = module
	} else {
		s.modules[path] = module
	}
	return nil
}

// maxErrors bounds how many mistakes are listed at once.
const maxErrors = 10

// joinBounded joins the first errors, or returns nil. A list of OPA's counts as
// the errors in it.
func joinBounded(problems []error) error {
	var flat []error
	for _, problem := range problems {
		var list ast.Errors
		switch {
		case errors.As(problem, &list):
			for _, one := range list {
				flat = append(flat, one)
			}
		case problem != nil:
			flat = append(flat, problem)
		}
	}
	if len(flat) > maxErrors {
		flat = append(flat[:maxErrors], fmt.Errorf("and %d more", len(flat)-maxErrors))
	}
	return errors.Join(flat...)
}
