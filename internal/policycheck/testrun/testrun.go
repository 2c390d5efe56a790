// Package testrun runs the tests of policies, in the command and where a configuration
// requires that they pass.
package testrun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/policyauth/caddy-policy-auth/internal/policy/builtins"
	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/lint"
)

const (
	// maxTestTime bounds one test, testsTimeout all those that are required.
	maxTestTime  = 5 * time.Second
	testsTimeout = 30 * time.Second
)

// Options says which tests are run and what is found out besides.
type Options struct {
	// Run is a regular expression; only tests that it matches are run. Empty
	// means all.
	Run string
	// Coverage counts which rules and conditions the tests evaluate.
	Coverage bool
	// Explain looks for the condition at which a test fails.
	Explain bool
	// Timeout bounds one test; 0 means 5s.
	Timeout time.Duration
}

// Report is what became of the tests of some policies.
type Report struct {
	// Results are in the order of files and lines.
	Results []Result `json:"results"`
	// Coverage is nil unless asked for.
	Coverage *Coverage `json:"coverage,omitempty"`
}

// Passed reports whether a test was run and none failed.
func (r Report) Passed() bool {
	ran := func(t Result) bool { return t.Outcome != Skipped }
	failed := func(t Result) bool { return ran(t) && t.Outcome != Passed }
	return slices.ContainsFunc(r.Results, ran) && !slices.ContainsFunc(r.Results, failed)
}

// Run loads policies and runs the tests in their sources as strictly as policies are
// evaluated: errors of built-in functions are errors, gated functions are off, and the
// embedded policies and access tables are there. It returns an error if the policies do
// not load or the tests cannot run.
func Run(ctx context.Context, options bundle.Options, o Options) (Report, error) {
	options.RequireTests = false // a failed test is a result here
	b, err := bundle.Read(ctx, options, Checker())
	if err != nil {
		return Report{}, err
	}
	return test(ctx, b, o)
}

// Checker returns the checks that policies must pass to be used: the lints, and their
// tests if the options require them.
func Checker() bundle.Checker {
	return bundle.Checker{Schema: lint.Schema, Policies: lint.Policies, Tests: requireTests}
}

// requireTests returns an error unless a bundle has tests and all pass. It returns warnings
// about skipped tests.
func requireTests(b *bundle.Bundle) ([]string, error) {
	ctx, release := context.WithTimeout(context.Background(), testsTimeout)
	defer release()
	report, err := test(ctx, b, Options{})
	if err != nil {
		return nil, fmt.Errorf("tests: %w", err)
	}
	var warnings []string
	var problems []error
	for _, result := range report.Results {
		switch result.Outcome {
		case Passed:
		case Skipped:
			warnings = append(warnings, result.String())
		default:
			problems = append(problems, errors.New(result.String()))
		}
	}
	if len(problems) == 0 && !report.Passed() {
		problems = append(problems, fmt.Errorf("require_tests: no test in %s: write rules whose names begin with %s in files *_test.rego", strings.Join(b.Options.Sources, ", "), tester.TestPrefix))
	}
	return warnings, bundle.JoinErrors(problems)
}

// test runs the tests. Each one has a result, or there is an error.
func test(ctx context.Context, b *bundle.Bundle, o Options) (Report, error) {
	if _, err := regexp.Compile(o.Run); err != nil {
		return Report{}, err
	}
	if err := checkTests(b); err != nil {
		return Report{}, err
	}
	run := testRun{Bundle: b, filter: o.Run, timeout: cmp.Or(o.Timeout, maxTestTime)}
	if o.Coverage {
		run.cover = cover.New()
	}
	results, err := run.all(ctx)
	if err != nil {
		return Report{}, err
	}
	report := Report{Results: []Result{}}
	for _, result := range results {
		one := newTestResult(result, run.timeout)
		if o.Explain && one.Outcome == Failed {
			one.FailedAt = run.failedAt(ctx, result)
		}
		report.Results = append(report.Results, one)
	}
	slices.SortFunc(report.Results, func(a, b Result) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Name, b.Name))
	})
	if o.Coverage {
		report.Coverage = newCoverage(run.cover, b.Modules)
	}
	return report, nil
}

// checkTests returns an error for tests that are certainly mistaken, which would prove
// nothing.
func checkTests(b *bundle.Bundle) error {
	mistakes, err := lint.Tests(b)
	if err != nil {
		return err
	}
	var problems []error
	for _, mistake := range mistakes {
		if mistake.Severity == lint.Error {
			problems = append(problems, errors.New(mistake.String()))
		}
	}
	return bundle.JoinErrors(problems)
}

// testRun runs the tests of a bundle.
type testRun struct {
	*bundle.Bundle
	filter  string
	timeout time.Duration
	cover   *cover.Cover // nil if it is not asked for
}

// all runs all tests that the filter matches.
func (r testRun) all(ctx context.Context) ([]*tester.Result, error) {
	return r.collect(ctx, func(runner *tester.Runner) *tester.Runner {
		if r.cover != nil {
			runner = runner.SetCoverageQueryTracer(r.cover)
		}
		return runner.Filter(r.filter)
	})
}

// failedAt runs a test that failed once more and returns the last condition that
// did not hold, "" if there is none.
func (r testRun) failedAt(ctx context.Context, failed *tester.Result) string {
	again, err := r.collect(ctx, func(runner *tester.Runner) *tester.Runner {
		return runner.EnableTracing(true).Filter("^" + regexp.QuoteMeta(failed.Package+"."+failed.Name) + "$")
	})
	if err != nil || len(again) != 1 {
		return ""
	}
	for _, event := range slices.Backward(again[0].Trace) {
		expr, ok := event.Node.(*ast.Expr)
		if !ok || event.Op != topdown.FailOp || !event.Location.HasFile() {
			continue
		}
		if _, isEvery := expr.Terms.(*ast.Every); !isEvery { // what failed within it is meant
			line, _, _ := strings.Cut(string(event.Location.Text), "\n")
			return fmt.Sprintf("%s:%d: %s", event.Location.File, event.Location.Row, line)
		}
	}
	return ""
}

// Collect runs tests with some settings of the runner.
func (r testRun) collect(ctx context.Context, set func(*tester.Runner) *tester.Runner) ([]*tester.Result, error) {
	store := inmem.NewFromASTObject(r.Data)
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, err
	}
	defer store.Abort(ctx, txn)
	modules := maps.Clone(r.Modules)
	maps.Copy(modules, r.Tests)
	compiler := ast.NewCompiler().WithCapabilities(builtins.Capabilities(r.Options.AllowBuiltins)).WithEnablePrintStatements(true).
		WithPathConflictsCheck(storage.NonEmpty(ctx, store, txn)).SetErrorLimit(bundle.MaxErrors)
	runner := tester.NewRunner().SetCompiler(compiler).SetStore(store).SetModules(modules).
		RaiseBuiltinErrors(!r.Options.OPAEnvoy).SetTimeout(r.timeout)
	channel, err := set(runner).RunTests(ctx, txn)
	if err != nil {
		return nil, bundle.JoinErrors([]error{err})
	}
	var results []*tester.Result
	for result := range channel {
		results = append(results, result)
	}
	if ctx.Err() != nil {
		return nil, errors.New("they took too long, and not all were run")
	}
	return results, nil
}

// Trace runs the tests of a bundle one after another, and tells a tracer what is evaluated.
func Trace(ctx context.Context, b *bundle.Bundle, tracer topdown.QueryTracer) error {
	ctx, release := context.WithTimeout(ctx, testsTimeout)
	defer release()
	run := testRun{Bundle: b, timeout: maxTestTime}
	_, err := run.collect(ctx, func(runner *tester.Runner) *tester.Runner {
		return runner.SetParallel(1).SetCoverageQueryTracer(tracer)
	})
	return err
}
