package policy

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

	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/policy/builtins"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/lint"
)

const (
	// testTimeout bounds one test, testsTimeout all those that are required.
	testTimeout  = 5 * time.Second
	testsTimeout = 30 * time.Second
)

// TestOptions says which tests are run and what is found out besides.
type TestOptions struct {
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

// TestReport is what became of the tests of some policies.
type TestReport struct {
	// Results are in the order of files and lines.
	Results []TestResult `json:"results"`
	// Coverage is nil unless asked for.
	Coverage *Coverage `json:"coverage,omitempty"`
}

// Passed reports whether a test was run and none failed.
func (r TestReport) Passed() bool {
	ran := func(t TestResult) bool { return t.Outcome != TestSkipped }
	failed := func(t TestResult) bool { return ran(t) && t.Outcome != TestPassed }
	return slices.ContainsFunc(r.Results, ran) && !slices.ContainsFunc(r.Results, failed)
}

// Test runs the tests in the sources of policies, with the same strictness as
// policies have: errors of built-in functions are errors, built-in functions
// that are off are not there, the embedded policies and the access tables are.
// An error means that the tests could not be run, for instance since the
// policies do not load.
func Test(ctx context.Context, config Config, o TestOptions) (TestReport, error) {
	config.RequireTests = false // a failed test is a result here
	if err := config.Check(); err != nil {
		return TestReport{}, err
	}
	config = config.Normalized()
	tree, err := files.Read(ctx, files.Options{Paths: config.paths(), Include: keepTests})
	if err != nil {
		return TestReport{}, err
	}
	l := newLoader(config)
	m, err := l.assemble(tree)
	if err != nil {
		return TestReport{}, err
	}
	if _, err := l.prepare(m); err != nil {
		return TestReport{}, err
	}
	return m.test(ctx, config, o)
}

// requireTests returns an error unless there are tests and they pass. Tests that
// are skipped are worth a warning.
func (m *material) requireTests(config Config) ([]string, error) {
	ctx, release := context.WithTimeout(context.Background(), testsTimeout)
	defer release()
	report, err := m.test(ctx, config, TestOptions{})
	if err != nil {
		return nil, fmt.Errorf("tests: %w", err)
	}
	var warnings []string
	var problems []error
	for _, result := range report.Results {
		switch result.Outcome {
		case TestPassed:
		case TestSkipped:
			warnings = append(warnings, result.String())
		default:
			problems = append(problems, errors.New(result.String()))
		}
	}
	if len(problems) == 0 && !report.Passed() {
		problems = append(problems, fmt.Errorf("require_tests: no test in %s: write rules whose names begin with %s in files *_test.rego", strings.Join(config.Sources, ", "), tester.TestPrefix))
	}
	return warnings, joinBounded(problems)
}

// test runs the tests. Each one has a result, or there is an error.
func (m *material) test(ctx context.Context, config Config, o TestOptions) (TestReport, error) {
	if _, err := regexp.Compile(o.Run); err != nil {
		return TestReport{}, err
	}
	if err := m.testMistakes(config); err != nil {
		return TestReport{}, err
	}
	run := testRun{material: m, config: config, filter: o.Run, timeout: cmp.Or(o.Timeout, testTimeout)}
	if o.Coverage {
		run.cover = cover.New()
	}
	results, err := run.all(ctx)
	if err != nil {
		return TestReport{}, err
	}
	report := TestReport{Results: []TestResult{}}
	for _, result := range results {
		one := newTestResult(result, run.timeout)
		if o.Explain && one.Outcome == TestFailed {
			one.FailedAt = run.failedAt(ctx, result)
		}
		report.Results = append(report.Results, one)
	}
	slices.SortFunc(report.Results, func(a, b TestResult) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Name, b.Name))
	})
	if o.Coverage {
		report.Coverage = newCoverage(run.cover, m.modules)
	}
	return report, nil
}

// testMistakes returns an error for tests that can only be mistaken: they would
// show nothing.
func (m *material) testMistakes(config Config) error {
	mistakes, err := m.judgeTests(config)
	if err != nil {
		return err
	}
	var problems []error
	for _, mistake := range mistakes {
		if mistake.Severity == lint.Error {
			problems = append(problems, errors.New(mistake.String()))
		}
	}
	return joinBounded(problems)
}

// testRun runs tests over a material.
type testRun struct {
	*material
	config  Config
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

// collect runs tests with some settings of the runner.
func (r testRun) collect(ctx context.Context, set func(*tester.Runner) *tester.Runner) ([]*tester.Result, error) {
	store := inmem.NewFromASTObject(r.data)
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, err
	}
	defer store.Abort(ctx, txn)
	modules := maps.Clone(r.modules)
	maps.Copy(modules, r.tests)
	compiler := ast.NewCompiler().WithCapabilities(builtins.Capabilities(r.config.AllowBuiltins)).WithEnablePrintStatements(true).
		WithPathConflictsCheck(storage.NonEmpty(ctx, store, txn)).SetErrorLimit(maxErrors)
	runner := tester.NewRunner().SetCompiler(compiler).SetStore(store).SetModules(modules).
		RaiseBuiltinErrors(!r.config.OPAEnvoy).SetTimeout(r.timeout)
	channel, err := set(runner).RunTests(ctx, txn)
	if err != nil {
		return nil, joinBounded([]error{err})
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
