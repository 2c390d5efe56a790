package testrun

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
)

// What becomes of a test.
const (
	Passed  = "pass"
	Failed  = "fail"
	Error   = "error" // it could not be evaluated, or not in time
	Skipped = "skip"  // its name begins with todo_test_
)

// Result is what became of one test.
type Result struct {
	// Name is the rule with its package, such as data.caddy.authz_test.test_a.
	Name string `json:"name"`
	// File and Line are where the rule stands.
	File string `json:"file"`
	Line int    `json:"line"`
	// Outcome is one of pass, fail, error and skip.
	Outcome string `json:"outcome"`
	// Message says more of an error, and which cases of a test failed.
	Message string `json:"message,omitempty"`
	// FailedAt is the condition at which it failed, with file and line.
	FailedAt string `json:"failed_at,omitempty"`
	// Output is what the test printed.
	Output string `json:"output,omitempty"`
	// Duration is in nanoseconds.
	Duration time.Duration `json:"duration_ns"`
}

// String says it in one line.
func (t Result) String() string {
	verb := map[string]string{Passed: "passed", Failed: "failed", Error: "could not be run", Skipped: "is skipped"}[t.Outcome]
	parts := []string{fmt.Sprintf("%s:%d: the test %s %s", t.File, t.Line, t.Name, verb)}
	for _, more := range []string{t.Message, t.FailedAt} {
		if more != "" {
			parts = append(parts, more)
		}
	}
	return strings.Join(parts, ": ")
}

// newTestResult turns OPA's result into ours.
func newTestResult(result *tester.Result, timeout time.Duration) Result {
	t := Result{
		Name: result.Package + "." + result.Name, File: result.Location.File, Line: result.Location.Row,
		Outcome: Passed, Output: string(result.Output), Duration: result.Duration,
	}
	switch {
	case result.Skip:
		t.Outcome = Skipped
	case topdown.IsCancel(result.Error):
		t.Outcome, t.Message = Error, fmt.Sprintf("it took longer than %s", timeout)
	case result.Error != nil:
		t.Outcome, t.Message = Error, result.Error.Error()
	case result.Fail:
		t.Outcome, t.Message = Failed, failedCases(result.SubResults)
	}
	return t
}

// failedCases names the cases that failed of a test that has some.
func failedCases(cases tester.SubResultMap) string {
	var names []string
	for name, result := range cases.Iter {
		if result.Fail && len(result.SubResults) == 0 {
			names = append(names, strings.Join(name, "/"))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "case " + strings.Join(names, ", ")
}

// Coverage is which lines of policies their tests evaluated.
type Coverage struct {
	// Percent is how many of the lines that can be evaluated were.
	Percent float64 `json:"percent"`
	// Files are the policies, by file.
	Files map[string]FileCoverage `json:"files"`
}

// FileCoverage is the coverage of one file.
type FileCoverage struct {
	Percent float64 `json:"percent"`
	// Missing are the lines that no test evaluated, such as "12" or "3-5".
	Missing []string `json:"missing"`
}

// newCoverage tells what was covered of the modules that are not built in.
func newCoverage(c *cover.Cover, modules map[string]*ast.Module) *Coverage {
	own := maps.Clone(modules)
	maps.DeleteFunc(own, func(file string, _ *ast.Module) bool { return strings.HasPrefix(file, bundle.EmbeddedPrefix) })
	report := c.Report(own)
	coverage := &Coverage{Files: map[string]FileCoverage{}}
	covered, all := 0, 0
	for _, file := range slices.Sorted(maps.Keys(own)) {
		lines := report.Files[file]
		one := FileCoverage{Percent: lines.Coverage, Missing: []string{}}
		for _, r := range lines.NotCovered {
			text := fmt.Sprint(r.Start.Row)
			if r.End.Row > r.Start.Row {
				text += fmt.Sprintf("-%d", r.End.Row)
			}
			one.Missing = append(one.Missing, text)
		}
		coverage.Files[file] = one
		covered, all = covered+lines.CoveredLines, all+lines.CoveredLines+lines.NotCoveredLines
	}
	if all > 0 {
		coverage.Percent = float64(covered*1000/all) / 10
	}
	return coverage
}
