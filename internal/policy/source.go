package policy

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/policyauth/caddy-policy-auth/internal/accesstable"
	"github.com/policyauth/caddy-policy-auth/internal/files"
)

// keep says which files of a policy directory are looked at: a plain OPA
// bundle root. Other JSON and YAML is looked at to be warned about.
func keep(path string) bool {
	name := filepath.Base(path)
	if strings.HasPrefix(name, ".") {
		return name == manifestName || name == signaturesName
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
	outlines map[string]*outline // of both
	data     ast.Object
	typing   typing
	table    *accesstable.Table // nil without one
	warnings []string
	revision string   // of a manifest, or ""
	tableAt  []string // sources that look like access tables
}

// gather parses the policies and data of all sources in a tree.
func (l *loader) gather(tree files.Tree) (*material, error) {
	m := &material{modules: map[string]*ast.Module{}, tests: map[string]*ast.Module{}, outlines: map[string]*outline{}, data: ast.NewObject()}
	for _, path := range l.config.Sources {
		s := &source{path: path, modules: map[string]*ast.Module{}, tests: map[string]*ast.Module{}, outlines: map[string]*outline{}, data: ast.NewObject()}
		if err := l.read(s, tree); err != nil {
			return nil, err
		}
		if err := m.add(s); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// add adds what a source has. Data that another source has too is an error.
func (m *material) add(s *source) error {
	maps.Copy(m.modules, s.modules)
	maps.Copy(m.tests, s.tests)
	maps.Copy(m.outlines, s.outlines)
	m.warnings = append(m.warnings, s.warnings...)
	if s.manifest.Revision != "" {
		m.revision = s.manifest.Revision
	}
	if s.table {
		m.tableAt = append(m.tableAt, s.path)
	}
	m.typing.add(s)
	merged, conflict := merge(m.data, s.data, "data")
	if conflict != "" {
		return fmt.Errorf("%s: %s is also in another source", s.path, conflict)
	}
	m.data = merged
	return nil
}

// source is one place that policies and data come from: a directory or a file.
type source struct {
	path     string
	modules  map[string]*ast.Module
	tests    map[string]*ast.Module
	outlines map[string]*outline // of both
	data     ast.Object
	schema   *schema // of the data, nil if there is none
	warnings []string
	manifest manifest
	table    bool // it is a file that looks like an access table
}

// read parses what a tree has of the source. Data alone will do, since another
// source may have the policies; nothing at all is an error. Files that the
// configuration names for something else are passed over.
func (l *loader) read(s *source, tree files.Tree) error {
	var problems []error
	found := false
	named := append(slices.Clone(l.config.Access), l.config.ClaimsSchema)
	for _, path := range tree.Paths() {
		name, below := s.relative(path)
		if !below {
			continue
		}
		base := filepath.Base(name)
		switch {
		case filepath.Ext(name) == ".rego":
			found = found || !isTest(base) || path == s.path
			problems = append(problems, l.readPolicy(s, path, tree[path]))
		case filepath.ToSlash(name) == schemaName:
			problems = append(problems, l.readSchema(s, path, tree[path]))
		case slices.Contains(dataNames, base):
			found = true
			if path == s.path && tableLike(tree[path]) {
				s.table = true
				s.warnings = append(s.warnings, path+" is read as data, but "+asTable(path))
			}
			problems = append(problems, l.readData(s, path, name, tree[path]))
		case name == manifestName:
			problems = append(problems, s.manifest.read(path, tree[path]))
		case name == signaturesName:
			problems = append(problems, fmt.Errorf("%s: %w", path, errUnverified))
		case base == signaturesName:
		case tableLike(tree[path]) && !slices.Contains(named, path):
			s.warnings = append(s.warnings, path+" is not read: "+asTable(path))
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

// parsed is a file of Rego.
type parsed struct {
	module  *ast.Module
	outline *outline
}

// readPolicy adds a file of Rego.
func (l *loader) readPolicy(s *source, path string, content []byte) error {
	file, err := l.modules.of(path, content, func() (*parsed, error) {
		module, err := parsePolicy(path, content, l.capabilities)
		if err != nil {
			return nil, err
		}
		return &parsed{module, outlineOf(module)}, nil
	})
	if err != nil {
		return err
	}
	if s.outlines[path] = file.outline; isTest(path) && path != s.path {
		s.tests[path] = file.module
	} else {
		s.modules[path] = file.module
	}
	return nil
}

// parsePolicy parses a file of Rego, which is version 1.
func parsePolicy(path string, content []byte, capabilities *ast.Capabilities) (*ast.Module, error) {
	module, err := ast.ParseModuleWithOpts(path, string(content), ast.ParserOptions{
		RegoVersion: ast.RegoV1, Capabilities: capabilities, ProcessAnnotation: true,
	})
	if err != nil && isV0(path, content) {
		err = fmt.Errorf("%w\n%s is written in Rego v0, and only Rego v1 is read: convert it with \"opa fmt --write --v0-v1 %s\"", joinBounded([]error{err}), path, path)
	}
	if err == nil && module == nil {
		err = fmt.Errorf("%s:1: the file has no policy in it", path)
	}
	return module, err
}

// isV0 reports whether a file that is no Rego of version 1 is one of version 0.
func isV0(path string, content []byte) bool {
	module, err := ast.ParseModuleWithOpts(path, string(content), ast.ParserOptions{RegoVersion: ast.RegoV0})
	return err == nil && module != nil
}

// asTable says what to do with an access table among policies.
func asTable(path string) string {
	return fmt.Sprintf("it looks like an access table: write access %s, and keep it out of policies", path)
}

// tableLike reports whether a file of data is rather an access table.
func tableLike(content []byte) bool {
	var table struct {
		Rules []map[string]any `json:"rules"`
	}
	if util.Unmarshal(content, &table) != nil {
		return false
	}
	return slices.ContainsFunc(table.Rules, func(rule map[string]any) bool {
		return rule["allow"] != nil || rule["paths"] != nil && rule["deny"] != nil
	})
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
