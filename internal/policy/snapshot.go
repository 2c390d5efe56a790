package policy

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"

	"github.com/policyauth/caddy-policy-auth/internal/accesstable"
	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/policy/builtins"
	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decisioncache"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decisionlog"
)

// snapshot is one loaded set of policies and data. It is immutable.
type snapshot struct {
	*analysis
	cache     *decisioncache.Cache // nil if decisions are not remembered
	evaluator evaluator
	options   []rego.EvalOption // for what only explanations and the log ask
	reaches   bool              // built-ins that wait for others are on
	envoy     bool              // as opa-envoy-plugin has it
	byHost    bool              // the answer may depend on the request's host
	log       decisionlog.Rules
	revision  string
	loaded    time.Time
	warnings  []string
	table     *accesstable.Table // nil without one
	native    bool               // the table alone decides
	rego      []func(*rego.Rego) // for queries of explanations
}

// analysis is what is known of compiled policies, whatever data they are evaluated with.
// It is immutable.
type analysis struct {
	compiler *ast.Compiler
	reads    decisioncache.ReadSet
	// readsBody says that the request's body is among them.
	readsBody bool
	// readsHost says that a rule other than those of access tables may read the host.
	readsHost bool
	// readsKind says that such a rule may read the kind of the caller.
	readsKind bool
	// asksMCP says that such a rule names request.mcp, and tableMCP that the rules of access
	// tables are asked, which do.
	asksMCP, tableMCP bool
	// tableReadsTime is true if the access table has conditions on the time; keyedTime, if
	// nothing else depends on it.
	tableReadsTime, keyedTime bool
	notCacheable              []string // why decisions cannot be cached
	// projection builds what the decision reads of input.
	projection *projection
	identities *decisioncache.IdentityCache
}

// analyze inspects the rules that the decision depends on.
func analyze(p *bundle.Program, tableReadsTime bool) *analysis {
	found := decisioncache.Inspect(p.Compiler, p.Decision, tableReadsTime)
	input := project(found.Reads)
	a := &analysis{
		compiler: p.Compiler, reads: found.Reads, notCacheable: found.NotCacheable(), readsBody: slices.ContainsFunc(bodyPaths, found.Reads.Reads),
		asksMCP: namesMCP(found.ReadsOutsideTables), tableMCP: namesMCP(found.Reads),
		readsHost: slices.ContainsFunc(hostPaths, found.ReadsOutsideTables.Reads), readsKind: found.ReadsOutsideTables.Reads("identity.kind"), projection: input, identities: input.identities(),
		tableReadsTime: tableReadsTime, keyedTime: tableReadsTime && found.KeyedTime(),
	}
	if a.keyedTime {
		a.projection.keyed = withoutTime(a.projection.request)
	}
	return a
}

// loader makes snapshots of loaded bundles. It is not safe for concurrent use.
type loader struct {
	config   Config
	bundles  *bundle.Loader
	analysis *analysis // of the last program
	// distrusted is called for a snapshot whose cache is found to be wrong.
	distrusted func(*snapshot)
}

// newLoader returns a loader for a normalized configuration.
func newLoader(config Config, checker bundle.Checker) *loader {
	return &loader{config: config, bundles: bundle.NewLoader(config.options(), checker), distrusted: func(*snapshot) {}}
}

// load makes a snapshot of a tree of files.
func (l *loader) load(tree files.Tree) (*snapshot, error) {
	b, err := l.bundles.Load(tree)
	if err != nil {
		return nil, err
	}
	s := &snapshot{
		analysis: &analysis{reads: tableReads}, revision: b.Revision, loaded: time.Now(), warnings: b.Warnings,
		table: b.Table, native: b.Options.TableOnly, byHost: b.Table != nil && b.Table.NamesHosts(),
	}
	if s.native {
		return s, nil
	}
	if readsTime := b.Table != nil && b.Table.ReadsTime(); l.analysis == nil || l.analysis.compiler != b.Program.Compiler || l.analysis.tableReadsTime != readsTime {
		l.analysis = analyze(b.Program, readsTime)
	}
	s.analysis, s.byHost = l.analysis, s.byHost || l.analysis.readsHost
	return s, l.prepare(s, b)
}

// prepare prepares the evaluation of a bundle's policies.
func (l *loader) prepare(s *snapshot, b *bundle.Bundle) error {
	ctx := context.Background()
	txn, err := b.Store.NewTransaction(ctx)
	if err != nil {
		return err
	}
	s.reaches, s.envoy = slices.ContainsFunc(l.config.AllowBuiltins, builtins.External), l.config.OPAEnvoy
	options := []func(*rego.Rego){
		rego.Compiler(s.compiler), rego.Store(b.Store), rego.Transaction(txn), rego.Capabilities(s.compiler.Capabilities()), rego.StrictBuiltinErrors(!s.envoy),
	}
	s.evaluator = evaluator{compiler: s.compiler, store: b.Store, txn: txn, data: dataTree{b.Data}, strict: !s.envoy}
	if err := s.evaluator.compile(b.Program.Decision); err != nil {
		return fmt.Errorf("decision %s: %w", l.config.Decision, err)
	}
	s.options = evalOptions(txn, b.Data)
	s.rego = options
	if len(s.notCacheable) == 0 && l.config.DecisionCache > 0 {
		s.cache = decisioncache.New(l.config.DecisionCache, func() { l.distrusted(s) })
	}
	return s.prepareLog(ctx, options)
}

// prepareQuery prepares the evaluation of one rule.
func prepareQuery(ctx context.Context, rule ast.Ref, options []func(*rego.Rego)) (rego.PreparedEvalQuery, error) {
	parsed := rego.ParsedQuery(ast.NewBody(ast.NewExpr(ast.NewTerm(rule))))
	return rego.New(append(slices.Clip(options), parsed)...).PrepareForEval(ctx)
}

// evalOptions are those of every query for explanations and the log.
func evalOptions(txn storage.Transaction, data ast.Object) []rego.EvalOption {
	return []rego.EvalOption{
		rego.EvalTransaction(txn),
		rego.EvalMetrics(metrics.NoOp()),
		rego.EvalBaseCache(dataTree{data}),
		rego.EvalGenerateJSON(func(term *ast.Term, _ *rego.EvalContext) (any, error) { return term.Value, nil }),
	}
}
