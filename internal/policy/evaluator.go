package policy

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// evaluator asks for the value of one rule. It does what rego.PreparedEvalQuery
// does, by the interface that lies below that one, which costs a request fewer
// allocations. It is safe for concurrent use.
type evaluator struct {
	query    ast.Body
	names    ast.QueryCompiler
	compiler *ast.Compiler
	store    storage.Store
	txn      storage.Transaction
	data     dataTree
	// strict makes an error of a built-in function one of the evaluation.
	strict bool
	idle   *sync.Pool // of evaluations
}

// compile compiles the query for a rule.
func (e *evaluator) compile(rule ast.Ref) (err error) {
	e.names = e.compiler.QueryCompiler()
	e.query, err = e.names.Compile(ast.NewBody(ast.Equality.Expr(ast.NewTerm(decisionVar), ast.NewTerm(rule))))
	e.idle = &sync.Pool{New: func() any { return e.prepare() }}
	return err
}

// evaluation is one evaluation of the rule. It is used again by the next one.
type evaluation struct {
	query    *topdown.Query
	results  *results
	limit    limit
	metadata map[string]any // of topdown.BuiltinContext
	value    ast.Value
	failed   bool
	// input is the object that parts fill in from source, and empty afterwards; nil
	// if there is none yet.
	input  *ast.Term
	parts  []part[inputSource]
	source inputSource
}

// prepare returns an evaluation that was not used before.
func (e *evaluator) prepare() *evaluation {
	run := &evaluation{results: newResults(), metadata: map[string]any{}}
	run.query = topdown.NewQuery(e.query).WithQueryCompiler(e.names).WithCompiler(e.compiler).WithStore(e.store).WithTransaction(e.txn).
		WithBaseCache(e.data).WithVirtualCache(run.results).WithCancel(&run.limit).WithRequestMetadata(run.metadata).
		WithMetrics(metrics.NoOp()).WithStrictBuiltinErrors(e.strict)
	return run
}

// begin returns an evaluation. Call end when its value was read; without, it is
// not used again.
func (e *evaluator) begin() *evaluation {
	run, _ := e.idle.Get().(*evaluation)
	return run
}

// project returns the input for a document.
func (run *evaluation) project(p *projection, d *request.Document, config, caller *ast.Term) *ast.Term {
	if run.input == nil {
		run.input = new(ast.Term)
	}
	run.parts, run.source = p.input, inputSource{d, config, caller}
	fillObject(run.input, p.input, &run.source)
	return run.input
}

// evaluate returns the rule's value for an input, nil if it is undefined, as at a
// time; zero is now.
func (run *evaluation) evaluate(ctx context.Context, input *ast.Term, allotted span, at time.Time) (ast.Value, error) {
	run.limit = limit{ctx: ctx, end: allotted.end, max: allotted.max}
	err := run.query.WithInput(input).WithTime(at).Iter(ctx, run.take)
	run.failed = err != nil
	return run.value, err
}

// take takes the query's result.
func (run *evaluation) take(result topdown.QueryResult) error {
	if run.value != nil {
		return errSeveral
	}
	run.value = result[decisionVar].Value
	return nil
}

// end lets the next one use the evaluation, without anything of this one. An input
// that the value may hold parts of is not used again: they would change.
func (e *evaluator) end(run *evaluation) {
	switch {
	case run.input == nil:
	case run.failed || holdsParts(run.value):
		run.input = nil
	default:
		fillObject(run.input, run.parts, nil)
	}
	run.source, run.limit, run.value = inputSource{}, limit{}, nil
	run.query.WithInput(nil)
	clear(run.metadata)
	if run.results.reset() {
		e.idle.Put(run)
	}
}

// holdsParts reports whether a value may hold parts of other values.
func holdsParts(value ast.Value) bool {
	switch value.(type) {
	case nil, ast.Null, ast.Boolean, ast.Number, ast.String:
		return false
	}
	return true
}

// decisionVar is the variable that stands for the value of the rule.
const decisionVar = ast.Var("decision")

var errSeveral = errors.New("the decision has several values")

// dataTree answers reads of data from the tree itself. It is never written to.
type dataTree struct{ root ast.Object }

// Get implements topdown.BaseCache.
func (d dataTree) Get(ref ast.Ref) ast.Value {
	value, err := d.root.Find(ref[1:])
	if err != nil {
		return nil
	}
	return value
}

// Put implements topdown.BaseCache.
func (dataTree) Put(ast.Ref, ast.Value) {}
