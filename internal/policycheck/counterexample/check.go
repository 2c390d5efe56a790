package counterexample

import (
	"context"

	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/lint"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
)

// CheckOptions configure a check of policies.
type CheckOptions struct {
	// Samples are inputs to start with, or parts of inputs, besides those of the tests and
	// those that are generated from the policies.
	Samples []Sample
	// Search limits the search.
	Search Options
}

// CheckReport is the result of Check for policies that load.
type CheckReport struct {
	// Warnings are the warnings of loading, and findings about the inputs of tests.
	Warnings []string `json:"warnings"`
	Report
}

// Clean reports whether nothing was found.
func (r CheckReport) Clean() bool { return len(r.Warnings) == 0 && len(r.Findings) == 0 }

// Check loads policies, checks their tests, and searches for requests that are denied
// and that would be allowed if something were missing. It returns an error, with file
// and line, if the policies do not load.
func Check(ctx context.Context, options bundle.Options, o CheckOptions) (CheckReport, error) {
	b, err := bundle.Read(ctx, options, testrun.Checker())
	if err != nil {
		return CheckReport{}, err
	}
	report := CheckReport{Warnings: append([]string{}, b.Warnings...), Report: Report{Findings: []Finding{}, Complete: true}}
	if options.TableOnly { // a caller who lacks something matches no more rules of a table
		return report, nil
	}
	mistakes, err := lint.Tests(b)
	if err != nil {
		return CheckReport{}, err
	}
	for _, mistake := range mistakes {
		report.Warnings = append(report.Warnings, mistake.String())
	}
	report.Report, err = searchBundle(ctx, b, o)
	return report, err
}
