package policy

import (
	"context"

	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/counterexample"
)

// CheckOptions says what policies are checked with.
type CheckOptions struct {
	// Samples are inputs to begin with, or parts of some, besides those of the
	// tests and those that are made from the policies.
	Samples []counterexample.Sample
	// Search bounds the search for witnesses.
	Search counterexample.Options
}

// CheckReport is what was found in some policies that load.
type CheckReport struct {
	// Warnings are what loading warns of, and what the tests are wrong about.
	Warnings []string `json:"warnings"`
	counterexample.Report
}

// Clean reports whether nothing was found.
func (r CheckReport) Clean() bool { return len(r.Warnings) == 0 && len(r.Findings) == 0 }

// Check loads policies as Open does, judges their tests and looks for requests
// that are refused and that get in once something is missing. An error means
// that the policies do not load, with file and line.
func Check(ctx context.Context, config Config, o CheckOptions) (CheckReport, error) {
	if err := config.Check(); err != nil {
		return CheckReport{}, err
	}
	config = config.Normalized()
	tree, err := files.Read(ctx, files.Options{Paths: config.paths(), Include: keepTests})
	if err != nil {
		return CheckReport{}, err
	}
	l := newLoader(config)
	loaded, err := l.load(tree)
	if err != nil {
		return CheckReport{}, err
	}
	report := CheckReport{Warnings: append([]string{}, loaded.warnings...), Report: counterexample.Report{Findings: []counterexample.Finding{}, Complete: true}}
	if config.native() { // a table alone: what a caller lacks opens none of its rules
		return report, nil
	}
	m, err := l.assemble(tree)
	if err != nil {
		return CheckReport{}, err
	}
	mistakes, err := m.judgeTests(config)
	if err != nil {
		return CheckReport{}, err
	}
	for _, mistake := range mistakes {
		report.Warnings = append(report.Warnings, mistake.String())
	}
	report.Report, err = m.search(ctx, config, loaded.program, o)
	return report, err
}
