package counterexample

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
	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decisioncache"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/lint"
)

// searchBundle looks for denials that become allows once something is
// missing.
func searchBundle(ctx context.Context, b *bundle.Bundle, o CheckOptions) (Report, error) {
	base, err := baseInput(b.Options.OPAEnvoy)
	if err != nil {
		return Report{}, err
	}
	tested, err := testSamples(ctx, b)
	if err != nil {
		return Report{}, err
	}
	samples := slices.Concat(o.Samples, tested)
	for i, sample := range samples {
		samples[i].Input = Complete(sample.Input, base)
	}
	a, err := newAsker(ctx, b)
	if err != nil {
		return Report{}, err
	}
	defer a.close()
	return Search(ctx, Policies{
		Compiler: a.compiler, Decision: a.decision, Files: lint.Reachable(a.compiler, a.decision), Ask: a.ask,
		Reads: decisioncache.Inspect(b.Program.Compiler, a.decision, b.Table != nil && b.Table.ReadsTime()).Reads.Reads,
	}, append(samples, Generate(a.compiler, a.decision, base, tableCallers(b.Table))...), o.Search), nil
}

// maxEvaluation is how long one evaluation may take.
const maxEvaluation = 5 * time.Second

// asker evaluates policies whose rules may be changed meanwhile.
type asker struct {
	compiler *ast.Compiler
	decision ast.Ref
	store    storage.Store
	txn      storage.Transaction
	envoy    bool
}

// newAsker compiles policies that are known to load once more, for this search alone.
func newAsker(ctx context.Context, b *bundle.Bundle) (*asker, error) {
	a := &asker{decision: b.Program.Decision, store: inmem.NewFromASTObject(b.Data), envoy: b.Options.OPAEnvoy}
	a.compiler = ast.NewCompiler().WithCapabilities(builtins.Capabilities(b.Options.AllowBuiltins))
	if a.compiler.Compile(maps.Clone(b.Modules)); a.compiler.Failed() {
		return nil, bundle.JoinErrors([]error{builtins.ExplainGated(a.compiler.Errors)})
	}
	var err error
	a.txn, err = a.store.NewTransaction(ctx)
	return a, err
}

func (a *asker) close() { a.store.Abort(context.Background(), a.txn) }

// ask reports whether an input is allowed. An error is a denial, as in a server.
func (a *asker) ask(ctx context.Context, input ast.Value, tracer topdown.QueryTracer) (allow bool) {
	defer func() {
		if recover() != nil {
			allow = false
		}
	}()
	ctx, release := context.WithTimeout(ctx, maxEvaluation)
	defer release()
	cancel := topdown.NewCancel()
	defer context.AfterFunc(ctx, cancel.Cancel)()
	value := ast.Var("value")
	query := topdown.NewQuery(ast.NewBody(ast.Equality.Expr(ast.NewTerm(a.decision), ast.NewTerm(value)))).
		WithCompiler(a.compiler).WithStore(a.store).WithTransaction(a.txn).WithInput(ast.NewTerm(input)).
		WithStrictBuiltinErrors(!a.envoy).WithCancel(cancel)
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
