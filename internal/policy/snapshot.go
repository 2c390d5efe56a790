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
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/policyauth/caddy-policy-auth/internal/accesstable"
	"github.com/policyauth/caddy-policy-auth/internal/policy/builtins"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/explain"
)

// snapshot is one loaded set of policies and data. It is immutable.
type snapshot struct {
	*program
	cache     *cache // nil if decisions are not remembered
	evaluator evaluator
	options   []rego.EvalOption // for what only explanations and the log ask
	reaches   bool              // built-ins that wait for others are on
	envoy     bool              // as opa-envoy-plugin has it
	byHost    bool              // the answer may depend on the request's host
	log       logRules
	revision  string
	loaded    time.Time
	warnings  []string
	table     *accesstable.Table // nil without one
	native    bool               // the table alone decides
	policies  explain.Policies   // for explanations
}

// tableRoot is where the access table stands below data.
const tableRoot = "access_table"

// prepare makes a snapshot of the policies, compiled, and the data.
func (l *loader) prepare(m *material) (*snapshot, error) {
	if l.config.native() {
		return nativeSnapshot(m), nil
	}
	p, err := l.compile(m)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	store := inmem.NewFromASTObject(m.data)
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.checkConflicts(m, p, storage.NonEmpty(ctx, store, txn)); err != nil {
		return nil, err
	}
	s := &snapshot{program: p, reaches: slices.ContainsFunc(l.config.AllowBuiltins, builtins.External), envoy: l.config.OPAEnvoy, warnings: slices.Concat(m.warnings, p.findings)}
	options := []func(*rego.Rego){
		rego.Compiler(p.compiler), rego.Store(store), rego.Transaction(txn), rego.Capabilities(l.capabilities), rego.StrictBuiltinErrors(!s.envoy),
	}
	s.evaluator = evaluator{compiler: p.compiler, store: store, txn: txn, data: dataTree{m.data}, strict: !s.envoy}
	if err := s.evaluator.compile(p.decision); err != nil {
		return nil, fmt.Errorf("decision %s: %w", l.config.Decision, err)
	}
	s.options = evalOptions(txn, m.data)
	query, err := prepareQuery(ctx, p.decision, options)
	if err != nil {
		return nil, fmt.Errorf("decision %s: %w", l.config.Decision, err)
	}
	s.policies = explain.Policies{Compiler: p.compiler, Query: query, Data: ast.NewTerm(m.data), Prepare: func(ctx context.Context, query ast.Body) (rego.PreparedEvalQuery, error) {
		return rego.New(append(slices.Clip(options), rego.ParsedQuery(query))...).PrepareForEval(ctx)
	}}
	s.table = m.table
	s.byHost = p.readsHost || s.table != nil && s.table.NamesHosts()
	if len(s.unsure) == 0 && l.config.DecisionCache > 0 {
		s.cache = newCache(l.config.DecisionCache)
		s.cache.differed = func() { l.distrusted(s) }
	}
	return s, s.prepareLog(ctx, options)
}

// checkConflicts returns an error for data in the place of a rule. If that rule is not
// evaluated, all policies are compiled for the error.
func (l *loader) checkConflicts(m *material, p *program, exists func([]string) (bool, error)) error {
	compiler := p.compiler
	if p.overlapped(exists) {
		whole, err := l.compileTogether(m, m.modules)
		if err != nil {
			return err
		}
		compiler = whole.compiler
	}
	conflicts := ast.CheckPathConflicts(compiler, exists)
	conflicts.Sort()
	return joinBounded([]error{conflicts})
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
