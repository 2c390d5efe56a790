// Package bundle loads policies, data and access tables: it parses and compiles the files of
// a plain OPA bundle root, and only those that a change affects.
package bundle

import (
	"context"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/policyauth/caddy-policy-auth/internal/accesstable"
	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/policy/builtins"
)

// Loader turns the files of policies into bundles. It keeps what it made of the last
// files, so that a change only processes what has changed: a file is parsed again if its
// content differs, and compiled again if it, or a package that it depends on, differs. It
// is not safe for concurrent use.
type Loader struct {
	options      Options
	checker      Checker
	capabilities *ast.Capabilities
	modules      parseCache[*parsed]
	documents    parseCache[ast.Object]
	schemas      parseCache[*Schema] // of data
	claims       parseCache[*Schema] // of claims
	tables       parseCache[tableData]
	archives     parseCache[files.Tree]
	keys         string    // a hash of the keys that verified archives
	tests        bool      // the tree has tests
	program      *Program  // the last one, nil before
	sharing      *interner // of the load that is in progress
}

// NewLoader returns a loader.
func NewLoader(options Options, checker Checker) *Loader {
	return &Loader{
		options: options, checker: checker, capabilities: builtins.Capabilities(options.AllowBuiltins),
		modules: parseCache[*parsed]{}, documents: parseCache[ast.Object]{}, schemas: parseCache[*Schema]{}, claims: parseCache[*Schema]{}, tables: parseCache[tableData]{}, archives: parseCache[files.Tree]{},
	}
}

// Read reads the files of the options, tests included, and loads them once.
func Read(ctx context.Context, options Options, checker Checker) (*Bundle, error) {
	tree, err := files.Read(ctx, options.Files(true))
	if err != nil {
		return nil, err
	}
	loader := NewLoader(options, checker)
	loader.tests = true
	return loader.Load(tree)
}

// Load parses, compiles and checks what a tree of files holds.
func (l *Loader) Load(tree files.Tree) (*Bundle, error) {
	tree, err := l.unpack(tree)
	if err != nil {
		return nil, err
	}
	b, err := l.assemble(tree)
	if err != nil {
		return nil, err
	}
	b.Revision = revisionOf(b.manifestRevision, tree)
	if !l.options.TableOnly {
		if err := l.compileBundle(b); err != nil {
			return nil, err
		}
	}
	if !l.options.RequireTests || l.checker.Tests == nil {
		return b, nil
	}
	warnings, err := l.checker.Tests(b)
	b.Warnings = append(b.Warnings, warnings...)
	return b, err
}

// compileBundle compiles the policies, and checks them together with the data.
func (l *Loader) compileBundle(b *Bundle) (err error) {
	if b.Program, err = l.compile(b); err != nil {
		return err
	}
	b.Store = inmem.NewFromASTObject(b.Data)
	ctx := context.Background()
	txn, err := b.Store.NewTransaction(ctx)
	if err != nil {
		return err
	}
	defer b.Store.Abort(ctx, txn)
	b.Warnings = slices.Concat(b.Warnings, b.Program.warnings, warnBlocked(b))
	return l.checkConflicts(b, storage.NonEmpty(ctx, b.Store, txn))
}

// checkConflicts returns an error for data in the place of a rule. If that rule is not
// evaluated, all policies are compiled for the error.
func (l *Loader) checkConflicts(b *Bundle, exists func([]string) (bool, error)) error {
	compiler := b.Program.Compiler
	if b.Program.overlapped(exists) {
		whole, err := l.compileTogether(b, b.Modules)
		if err != nil {
			return err
		}
		compiler = whole.Compiler
	}
	conflicts := ast.CheckPathConflicts(compiler, exists)
	conflicts.Sort()
	return JoinErrors([]error{conflicts})
}

// tableRoot is where the access table stands below data.caddy.
const tableRoot = "access_table"

// MaskRule and DropRule are the rules of the decision log, by OPA's convention. They are
// compiled with those that the decision depends on.
const (
	MaskRule = "data.system.log.mask"
	DropRule = "data.system.log.drop"
)

// assemble puts together what a tree holds and what is built in.
func (l *Loader) assemble(tree files.Tree) (*Bundle, error) {
	l.forget(tree)
	l.sharing = newInterner()
	defer func() { l.sharing = nil }()
	b, err := l.gather(tree)
	if err != nil {
		return nil, err
	}
	if !l.options.TableOnly {
		if err := b.addEmbedded(l.roots()); err != nil {
			return nil, err
		}
	}
	if err := l.readClaims(b, tree); err != nil {
		return nil, err
	}
	return b, l.addTable(b, tree)
}

// roots are where evaluation begins: the decision and the rules of the log.
func (l *Loader) roots() []dataPath {
	var roots []dataPath
	for _, rule := range []string{l.options.Decision, MaskRule, DropRule} {
		roots = append(roots, dataPathOf(Ref(rule)))
	}
	return roots
}

// forget lets go of files that a tree does not have.
func (l *Loader) forget(tree files.Tree) {
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
func (l *Loader) addTable(b *Bundle, tree files.Tree) error {
	var tables []accesstable.File
	read := files.Tree{}
	for _, path := range l.options.Access {
		tables = append(tables, accesstable.File{Name: path, Data: tree[path]})
		read[path] = tree[path]
	}
	table, err := l.tables.of("", []byte(read.Fingerprint()), func() (tableData, error) {
		table, warnings, err := accesstable.Parse(tables)
		if err != nil || l.options.TableOnly {
			return tableData{table: table, warnings: warnings}, err
		}
		object, err := l.sharing.object(map[string]any{"caddy": map[string]any{tableRoot: table.Data()}})
		return tableData{table, object, warnings}, err
	})
	if err != nil {
		return err
	}
	b.Warnings = append(b.Warnings, table.warnings...)
	if b.Table = table.table; len(tables) == 0 {
		b.Table = nil
	}
	if table.object == nil {
		return nil
	}
	merged, conflict := merge(b.Data, table.object, "data")
	if conflict != "" {
		return fmt.Errorf("%s conflicts with what is built in", conflict)
	}
	b.Data = merged
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
