package bundle

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
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

// Bundle is a loaded set of policies, data and access tables.
type Bundle struct {
	// Options are what it was loaded with.
	Options Options
	// Modules are the policies by file, with the built-in ones that they use; Tests are
	// the tests.
	Modules, Tests map[string]*ast.Module
	// Data is all data, that of the access table included.
	Data ast.Object
	// Schemas describe claims and data.
	Schemas Schemas
	// Table is the access table, nil without one.
	Table *accesstable.Table
	// Program is the compiled policies, and Store holds the data. Both are nil if the
	// table decides by itself.
	Program *Program
	Store   storage.Store
	// Warnings are for the operator.
	Warnings []string
	// Revision names the contents of the files.
	Revision string

	outlines         map[string]*outline // of modules and tests
	manifestRevision string
	tableLike        []string // sources that look like access tables
}

// gather parses the policies and data of all sources in a tree.
func (l *Loader) gather(tree files.Tree) (*Bundle, error) {
	b := &Bundle{Options: l.options, Modules: map[string]*ast.Module{}, Tests: map[string]*ast.Module{}, outlines: map[string]*outline{}, Data: ast.NewObject()}
	var sources []*source
	for _, path := range l.options.Sources {
		s := &source{path: path, modules: map[string]*ast.Module{}, tests: map[string]*ast.Module{}, outlines: map[string]*outline{}, data: ast.NewObject()}
		if err := l.read(s, tree); err != nil {
			return nil, err
		}
		if err := b.add(s); err != nil {
			return nil, err
		}
		sources = append(sources, s)
	}
	return b, l.checkOwners(sources)
}

// add adds what a source has. Data that another source has too is an error.
func (b *Bundle) add(s *source) error {
	maps.Copy(b.Modules, s.modules)
	maps.Copy(b.Tests, s.tests)
	maps.Copy(b.outlines, s.outlines)
	b.Warnings = append(b.Warnings, s.warnings...)
	if s.manifest.Revision != "" {
		b.manifestRevision = s.manifest.Revision
	}
	if s.table {
		b.tableLike = append(b.tableLike, s.path)
	}
	b.Schemas.add(s)
	merged, conflict := merge(b.Data, s.data, "data")
	if conflict != "" {
		return fmt.Errorf("%s: %s is also in another source", s.path, conflict)
	}
	b.Data = merged
	return nil
}

// source is one place that policies and data come from: a directory or a file.
type source struct {
	path     string
	modules  map[string]*ast.Module
	tests    map[string]*ast.Module
	outlines map[string]*outline // of both
	data     ast.Object
	schema   *Schema // of the data, nil if there is none
	warnings []string
	manifest manifest
	table    bool // it is a file that looks like an access table
}

// read parses what a tree has of the source. Data alone will do, since another
// source may have the policies; nothing at all is an error. Files that the
// configuration names for something else are passed over.
func (l *Loader) read(s *source, tree files.Tree) error {
	var problems []error
	found := false
	named := append(slices.Clone(l.options.Access), l.options.ClaimsSchema)
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
	if err := JoinErrors(problems); err != nil {
		return err
	}
	if err := s.checkData(); err != nil {
		return err
	}
	if roots, configured := l.options.Roots[s.path]; configured {
		s.manifest.Roots, s.manifest.path = &roots, "the configuration"
	}
	return JoinErrors([]error{s.manifest.check(s), s.checkReserved()})
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
func (l *Loader) readPolicy(s *source, path string, content []byte) error {
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
		err = fmt.Errorf("%w\n%s is written in Rego v0, and only Rego v1 is read: convert it with \"opa fmt --write --v0-v1 %s\"", JoinErrors([]error{err}), path, path)
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

// MaxErrors is how many errors are listed at most.
const MaxErrors = 10

// JoinErrors joins the first [MaxErrors] errors, or returns nil. A list of OPA's errors
// counts as the errors in it.
func JoinErrors(problems []error) error {
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
	if len(flat) > MaxErrors {
		flat = append(flat[:MaxErrors], fmt.Errorf("and %d more", len(flat)-MaxErrors))
	}
	return errors.Join(flat...)
}
