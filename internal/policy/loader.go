package policy

import (
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/accesstable"
	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/policy/builtins"
)

// loader turns the files of a configuration into snapshots. It remembers what
// it made of the last ones, so that a change makes anew only what has changed:
// a file is parsed when its content is another one, and compiled when it or a package
// that it needs is. It is not safe for concurrent use.
type loader struct {
	config       Config
	capabilities *ast.Capabilities
	modules      memo[*parsed]
	documents    memo[ast.Object]
	schemas      memo[*schema] // of data
	claims       memo[*schema] // of claims
	tables       memo[tableData]
	program      *program // the last one, nil before
	sharing      *sharing // of the load that is going on
	// distrusted is told of a snapshot whose cache is found to be wrong.
	distrusted func(*snapshot)
}

// newLoader returns a loader for a normalized configuration.
func newLoader(config Config) *loader {
	return &loader{
		config: config, capabilities: builtins.Capabilities(config.AllowBuiltins), distrusted: func(*snapshot) {},
		modules: memo[*parsed]{}, documents: memo[ast.Object]{}, schemas: memo[*schema]{}, claims: memo[*schema]{}, tables: memo[tableData]{},
	}
}

// load compiles what a tree holds.
func (l *loader) load(tree files.Tree) (*snapshot, error) {
	m, err := l.assemble(tree)
	if err != nil {
		return nil, err
	}
	s, err := l.prepare(m)
	if err != nil {
		return nil, err
	}
	s.revision, s.loaded = revisionOf(m.revision, tree), time.Now()
	if !l.config.RequireTests {
		return s, nil
	}
	warnings, err := m.requireTests(l.config)
	s.warnings = append(s.warnings, warnings...)
	return s, err
}

// assemble puts together what a tree holds and what is built in.
func (l *loader) assemble(tree files.Tree) (*material, error) {
	l.forget(tree)
	l.sharing = newSharing()
	defer func() { l.sharing = nil }()
	m, err := l.gather(tree)
	if err != nil {
		return nil, err
	}
	if !l.config.native() {
		if err := m.addEmbedded(l.roots()); err != nil {
			return nil, err
		}
	}
	if err := l.readClaims(m, tree); err != nil {
		return nil, err
	}
	return m, l.addTable(m, tree)
}

// roots are where evaluation begins: the decision and the rules of the log.
func (l *loader) roots() []dataPath {
	var roots []dataPath
	for _, rule := range []string{l.config.Decision, maskRule, dropRule} {
		roots = append(roots, dataPathOf(refOf(rule)))
	}
	return roots
}

// forget lets go of files that a tree does not have.
func (l *loader) forget(tree files.Tree) {
	l.modules.forget(tree)
	l.documents.forget(tree)
	l.schemas.forget(tree)
}

// tableData is a compiled access table, and what caddy.access has of it in its data:
// nil where no Rego is evaluated.
type tableData struct {
	table    *accesstable.Table
	object   ast.Object
	warnings []string
}

// addTable adds the access table, which is empty without files.
func (l *loader) addTable(m *material, tree files.Tree) error {
	var tables []accesstable.File
	read := files.Tree{}
	for _, path := range l.config.Access {
		tables = append(tables, accesstable.File{Name: path, Data: tree[path]})
		read[path] = tree[path]
	}
	table, err := l.tables.of("", []byte(read.Fingerprint()), func() (tableData, error) {
		table, warnings, err := accesstable.Parse(tables)
		if err != nil || l.config.native() {
			return tableData{table: table, warnings: warnings}, err
		}
		object, err := l.sharing.object(map[string]any{"caddy": map[string]any{tableRoot: table.Data()}})
		return tableData{table, object, warnings}, err
	})
	if err != nil {
		return err
	}
	m.warnings = append(m.warnings, table.warnings...)
	if m.table = table.table; len(tables) == 0 {
		m.table = nil
	}
	if table.object == nil {
		return nil
	}
	merged, conflict := merge(m.data, table.object, "data")
	if conflict != "" {
		return fmt.Errorf("%s conflicts with what is built in", conflict)
	}
	m.data = merged
	return nil
}

// revisionOf names a tree by its contents, after the revision that a manifest
// gives: files may be edited without a new one.
func revisionOf(manifest string, tree files.Tree) string {
	contents := tree.Fingerprint()[:12]
	if manifest == "" {
		return contents
	}
	return manifest + "+" + contents
}
