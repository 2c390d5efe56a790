package policy

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/policyauth/caddy-policy-auth/internal/policy/builtins"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/counterexample"
)

// search looks for witnesses: denials that become allows once something is
// missing.
func (m *material) search(ctx context.Context, config Config, loaded *program, o CheckOptions) (counterexample.Report, error) {
	base, err := baseInput(config.OPAEnvoy)
	if err != nil {
		return counterexample.Report{}, err
	}
	tested, err := m.testSamples(ctx, config, loaded)
	if err != nil {
		return counterexample.Report{}, err
	}
	samples := slices.Concat(o.Samples, tested)
	for i, sample := range samples {
		samples[i].Input = counterexample.Complete(sample.Input, base)
	}
	a, err := m.asker(ctx, config, loaded.decision)
	if err != nil {
		return counterexample.Report{}, err
	}
	defer a.close()
	return counterexample.Search(ctx, counterexample.Policies{
		Compiler: a.compiler, Decision: a.decision, Files: reached(a.compiler, a.decision), Reads: loaded.reads.reads, Ask: a.ask,
	}, append(samples, counterexample.Generate(a.compiler, a.decision, base, m.tableCallers())...), o.Search), nil
}

// asker evaluates policies whose rules may be changed meanwhile.
type asker struct {
	compiler *ast.Compiler
	decision ast.Ref
	store    storage.Store
	txn      storage.Transaction
	envoy    bool
}

// asker compiles policies that are known to load once more, for this search alone.
func (m *material) asker(ctx context.Context, config Config, decision ast.Ref) (*asker, error) {
	a := &asker{decision: decision, store: inmem.NewFromASTObject(m.data), envoy: config.OPAEnvoy}
	a.compiler = ast.NewCompiler().WithCapabilities(builtins.Capabilities(config.AllowBuiltins))
	if a.compiler.Compile(maps.Clone(m.modules)); a.compiler.Failed() {
		return nil, joinBounded([]error{builtins.ExplainGated(a.compiler.Errors)})
	}
	var err error
	a.txn, err = a.store.NewTransaction(ctx)
	return a, err
}

func (a *asker) close() { a.store.Abort(context.Background(), a.txn) }

// ask reports whether an input is allowed. What goes wrong is a refusal, as it
// is in a server.
func (a *asker) ask(ctx context.Context, input ast.Value, tracer topdown.QueryTracer) (allow bool) {
	defer func() {
		if recover() != nil {
			allow = false
		}
	}()
	end := time.Now().Add(testTimeout)
	value := ast.Var("value")
	query := topdown.NewQuery(ast.NewBody(ast.Equality.Expr(ast.NewTerm(a.decision), ast.NewTerm(value)))).
		WithCompiler(a.compiler).WithStore(a.store).WithTransaction(a.txn).WithInput(ast.NewTerm(input)).
		WithStrictBuiltinErrors(!a.envoy).WithCancel(newLimit(ctx, end, end))
	if tracer != nil {
		query = query.WithQueryTracer(tracer)
	}
	results, err := query.Run(ctx)
	if err != nil || len(results) != 1 {
		return false
	}
	decode := decision.Decode
	if a.envoy {
		decode = decision.DecodeEnvoy
	}
	return decode(results[0][value].Value).Allow
}
