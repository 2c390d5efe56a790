package policy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/policies"
)

// snapshot is one loaded set of policies and data. It is immutable.
type snapshot struct {
	query   rego.PreparedEvalQuery
	options []rego.EvalOption
	reaches bool // built-ins that wait for others are on
	reads   reads
	// readsBody says that the request's body is among them.
	readsBody bool
	unsure    []string // why decisions cannot be remembered
	cache     *cache   // nil if they are not
	callers   *callers
	// projection builds what the decision reads of input.
	projection *projection
	envoy      bool // as opa-envoy-plugin has it
	log        logRules
	revision   string
	loaded     time.Time
	warnings   []string
}

// tableRoot is where the access table stands below data.
const tableRoot = "access_table"

// embeddedPrefix begins the names of this project's own policies.
const embeddedPrefix = "embedded/"

// load compiles what a tree holds.
func load(config Config, tree files.Tree) (*snapshot, error) {
	capabilities := allowed(config.AllowBuiltins)
	m, err := assemble(config, tree, capabilities)
	if err != nil {
		return nil, err
	}
	s := &snapshot{
		reaches: len(config.AllowBuiltins) > 0, envoy: config.OPAEnvoy,
		revision: revisionOf(m.revision, tree), loaded: time.Now(), warnings: m.warnings,
	}
	if err := s.prepare(config, m, capabilities); err != nil || !config.RequireTests {
		return s, err
	}
	warnings, err := m.requireTests(config)
	s.warnings = append(s.warnings, warnings...)
	return s, err
}

// assemble puts together what a tree holds and what is built in.
func assemble(config Config, tree files.Tree, capabilities *ast.Capabilities) (*material, error) {
	m, err := gather(tree, config, capabilities)
	if err != nil {
		return nil, err
	}
	if err := m.addEmbedded(); err != nil {
		return nil, err
	}
	if m.input, err = inputShape(config, tree); err != nil {
		return nil, err
	}
	return m, m.addTable(config.Access, tree)
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

// allowed returns OPA's capabilities without the gated built-ins that are not
// named, so that a policy that calls one does not even compile. Nor does a
// schema's $ref reach another host, by json.match_schema and its kin, unless
// http.send may (T-49).
func allowed(names []string) *ast.Capabilities {
	capabilities := ast.CapabilitiesForThisVersion()
	if !slices.Contains(names, "http.send") {
		capabilities.AllowNet = []string{}
	}
	capabilities.Builtins = slices.DeleteFunc(slices.Clone(capabilities.Builtins), func(b *ast.Builtin) bool {
		return slices.Contains(gated, b.Name) && !slices.Contains(names, b.Name)
	})
	return capabilities
}

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

// addEmbedded adds this project's own policies, whose packages nobody else may
// add to.
func (m *material) addEmbedded() error {
	own, err := embedded()
	if err != nil {
		return err
	}
	if err := errors.Join(checkReserved(m.modules, own), checkReserved(m.tests, own)); err != nil {
		return err
	}
	for name, module := range own {
		m.modules[name] = module.Copy()
	}
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
	if module.Package.Path.HasPrefix(ref) {
		return module.Package.Location
	}
	for _, rule := range module.Rules {
		if full := rule.Ref().GroundPrefix(); full.HasPrefix(ref) || ref.HasPrefix(full) {
			return rule.Location
		}
	}
	return nil
}

// addTable adds the access table, which is empty without files.
func (m *material) addTable(paths []string, tree files.Tree) error {
	var tables []accessFile
	for _, path := range paths {
		tables = append(tables, accessFile{name: path, data: tree[path]})
	}
	table, err := parseAccess(tables)
	if err != nil {
		return err
	}
	if path, ok := mergeInto(m.data, map[string]any{"caddy": map[string]any{tableRoot: table}}, "data"); !ok {
		return fmt.Errorf("%s conflicts with what is built in", path)
	}
	return nil
}

// object returns the data as policies read it.
func (m *material) object() (ast.Object, error) {
	value, err := ast.InterfaceToValue(m.data)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	data, ok := value.(ast.Object)
	if !ok {
		return nil, errors.New("data: not an object")
	}
	return data, nil
}

// prepare compiles modules and data, resolves the decision and judges what it
// reaches by what input and data are.
func (s *snapshot) prepare(config Config, m *material, capabilities *ast.Capabilities) error {
	ctx := context.Background()
	data, err := m.object()
	if err != nil {
		return err
	}
	store := inmem.NewFromASTObject(data)
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return err
	}
	compiler := ast.NewCompiler().WithCapabilities(capabilities).WithPathConflictsCheck(storage.NonEmpty(ctx, store, txn)).SetErrorLimit(maxErrors)
	if compiler.Compile(m.modules); compiler.Failed() {
		return joinBounded([]error{compiler.Errors})
	}
	decision, err := resolve(compiler, config)
	if err != nil {
		return err
	}
	if !config.OPAEnvoy { // those are written for another input
		warnings, err := m.judge(compiler, decision, m.input)
		if err != nil {
			return err
		}
		s.warnings = append(s.warnings, warnings...)
	}
	options := []func(*rego.Rego){
		rego.Compiler(compiler), rego.Store(store), rego.Transaction(txn), rego.Capabilities(capabilities), rego.StrictBuiltinErrors(!config.OPAEnvoy),
	}
	parsed := rego.ParsedQuery(ast.NewBody(ast.NewExpr(ast.NewTerm(decision))))
	s.query, err = rego.New(append(options[:len(options):len(options)], parsed)...).PrepareForEval(ctx)
	if err != nil {
		return fmt.Errorf("decision %s: %w", config.Decision, err)
	}
	found := inspect(compiler, decision)
	s.options, s.reads, s.unsure = evalOptions(txn, data), found.reads, found.unsure()
	s.readsBody = slices.ContainsFunc(bodyPaths, s.reads.reads)
	s.projection, s.callers = project(s.reads), newCallers()
	if len(s.unsure) == 0 && config.DecisionCache > 0 {
		s.cache = newCache(config.DecisionCache)
	}
	return s.prepareLog(ctx, compiler, options...)
}
