package command

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
)

// newTest makes caddy policy-auth test.
func newTest() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test [<source>...] [--policies <source>]... [--access <file>]... [--run <expression>] [--coverage] [--verbose] [--json]",
		Short: "Runs the tests of policies",
		Long: `
Runs the tests of policies (the rules test_... in *_test.rego files) with OPA's test
runner. It is as strict as a server: errors of built-in functions are errors, and so
is an input that the server never sends. For a failing test, it shows the condition
that failed. The exit status is 1 if a test fails or if there is none.`,
		Example: `  caddy policy-auth test policies
  caddy policy-auth test --policies policies --access access.yaml --coverage
  caddy policy-auth test policies --run authz_test.test_members --verbose`,
	}
	var o tests
	from, asJSON := addSources(cmd), addJSON(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.Run, "run", "", "run only the tests whose names match this regular expression")
	flags.BoolVar(&o.Coverage, "coverage", false, "show which lines no test evaluates")
	flags.Lookup("timeout").Usage = "how long one test may take (5s)"
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "also show the tests that pass, and what tests print")
	cmd.RunE = run(func(cmd *cobra.Command, args []string) (bool, error) {
		from.config.Sources = append(from.config.Sources, args...)
		if len(from.config.Sources) == 0 {
			return false, errors.New("no policies: caddy policy-auth test <directory or file>")
		}
		o.Explain, o.Timeout = true, from.config.Timeout
		options, err := from.config.Bundle()
		if err != nil {
			return false, err
		}
		report, err := testrun.Run(cmd.Context(), options, o.Options)
		if err != nil {
			return false, err
		}
		if *asJSON {
			return report.Passed(), writeJSON(cmd, report)
		}
		o.tell(cmd.OutOrStdout(), report)
		o.sum(cmd.ErrOrStderr(), report)
		return report.Passed(), nil
	})
	return cmd
}

// tests are the options of test: what to run and what to show.
type tests struct {
	testrun.Options
	verbose bool
}

// verdicts are what the outcomes of tests are called.
var verdicts = map[string]string{testrun.Passed: "pass", testrun.Failed: "FAIL", testrun.Error: "ERROR", testrun.Skipped: "skip"}

// tell writes what became of tests, for people.
func (o tests) tell(out io.Writer, report testrun.Report) {
	for _, result := range report.Results {
		if result.Outcome == testrun.Passed && !o.verbose {
			continue
		}
		fmt.Fprintf(out, "%-5s %s:%d: %s\n", verdicts[result.Outcome], nearby(result.File), result.Line, result.Name)
		for _, more := range []string{result.Message, result.FailedAt} {
			if more != "" {
				fmt.Fprintf(out, "      %s\n", nearby(more))
			}
		}
		if o.verbose || result.Outcome != testrun.Passed {
			for line := range strings.Lines(result.Output) {
				fmt.Fprintf(out, "      | %s\n", strings.TrimSuffix(line, "\n"))
			}
		}
	}
	if report.Coverage != nil {
		tellCoverage(out, report.Coverage)
	}
}

// tellCoverage writes which lines no test evaluates.
func tellCoverage(out io.Writer, coverage *testrun.Coverage) {
	for _, file := range slices.Sorted(maps.Keys(coverage.Files)) {
		one := coverage.Files[file]
		line := fmt.Sprintf("%5.1f%% %s", one.Percent, nearby(file))
		if len(one.Missing) > 0 {
			line += ", not covered: " + strings.Join(one.Missing, ", ")
		}
		fmt.Fprintln(out, line)
	}
	fmt.Fprintf(out, "%5.1f%% of all lines\n", coverage.Percent)
}

// sum says how many tests there were.
func (o tests) sum(out io.Writer, report testrun.Report) {
	count := map[string]int{}
	for _, result := range report.Results {
		count[result.Outcome]++
	}
	switch {
	case len(report.Results) == 0 && o.Run != "":
		fmt.Fprintf(out, "no test matches --run %s\n", o.Run)
	case len(report.Results) == 0:
		fmt.Fprintln(out, "no tests: write rules whose names begin with test_ in files *_test.rego")
	default:
		fmt.Fprintf(out, "%d passed, %d failed, %d could not be run, %d skipped\n",
			count[testrun.Passed], count[testrun.Failed], count[testrun.Error], count[testrun.Skipped])
	}
}

// nearby shortens paths in a text that are below the working directory.
func nearby(text string) string {
	here, err := os.Getwd()
	if err != nil {
		return text
	}
	return strings.ReplaceAll(text, here+string(filepath.Separator), "")
}
