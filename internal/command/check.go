package command

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/policyauth/caddy-policy-auth/internal/policycheck/counterexample"
)

// newCheck makes caddy policy-auth check.
func newCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [<source>...] [--policies <source>...] [--access <file>...] [--input <file or directory>...]",
		Short: "Checks policies and searches for mistakes that could grant access",
		Long: `
Loads policies and access tables as the server does, and searches for requests that
are denied, but allowed once something is missing: a claim, a header, a constant of
the configuration, the items of a list, or the result of a built-in function. It
starts with requests that are generated from the comparisons in the policies, with
those of the tests beside them, and with the documents of --input.

The exit status is 0 if nothing was found, 1 if something was, and 2 if the policies
do not load.`,
		Example: `  caddy policy-auth check policies
  caddy policy-auth check --policies policies --access access.yaml --input saved.json
  caddy policy-auth check --policies policies --input requests --json`,
	}
	c := checkCommand{sources: addSources(cmd), json: addJSON(cmd)}
	flags := cmd.Flags()
	flags.StringArrayVar(&c.inputs, "input", nil, "a JSON document, or a part of one, to start with; a directory of them, or - for standard input (may be repeated)")
	flags.IntVar(&c.most, "limit", defaultLimit, "the maximum number of requests to evaluate")
	cmd.RunE = run(c.run)
	return cmd
}

// defaultLimit bounds a check to some seconds.
const defaultLimit = 100_000

// checkCommand checks policies.
type checkCommand struct {
	sources *sources
	inputs  []string
	most    int
	json    *bool
}

func (c *checkCommand) run(cmd *cobra.Command, args []string) (bool, error) {
	if err := c.sources.add(cmd, args); err != nil {
		return false, err
	}
	if err := c.sources.check(); err != nil {
		return false, err
	}
	if c.most <= 0 {
		return false, errors.New("--limit: want a number above 0")
	}
	samples, err := c.samples(cmd)
	if err != nil {
		return false, err
	}
	progress := func(asked int) { fmt.Fprintf(cmd.ErrOrStderr(), "evaluated %d requests …\n", asked) }
	options, err := c.sources.config.Bundle()
	if err != nil {
		return false, err
	}
	report, err := counterexample.Check(cmd.Context(), options, counterexample.CheckOptions{
		Samples: samples, Search: counterexample.Options{Evaluations: c.most, Progress: progress},
	})
	if err != nil {
		return false, err
	}
	if *c.json {
		return report.Clean(), writeJSON(cmd, report)
	}
	return report.Clean(), writeCheck(cmd, report)
}

// samples reads the documents that --input names.
func (c *checkCommand) samples(cmd *cobra.Command) ([]counterexample.Sample, error) {
	var samples []counterexample.Sample
	for _, name := range c.inputs {
		files, err := documentsIn(name)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			document, err := readInput(cmd, file)
			if err != nil {
				return nil, err
			}
			samples = append(samples, counterexample.Sample{Name: file, Input: document})
		}
	}
	return samples, nil
}

// documentsIn returns the documents of a directory, or the file itself.
func documentsIn(name string) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil || !info.IsDir() { // what is not there is told by the function that reads it
		return []string{name}, nil
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, entry := range entries {
		if !entry.IsDir() && filepath.Ext(entry.Name()) == ".json" {
			files = append(files, filepath.Join(name, entry.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: the directory has no *.json file", name)
	}
	return files, nil
}

// writeCheck writes what was found, and to standard error how it was looked for.
func writeCheck(cmd *cobra.Command, report counterexample.CheckReport) error {
	out, prose := cmd.OutOrStdout(), cmd.ErrOrStderr()
	for _, warning := range report.Warnings {
		if _, err := fmt.Fprintln(out, warning); err != nil {
			return err
		}
	}
	for _, finding := range report.Findings {
		if _, err := fmt.Fprintln(out, finding); err != nil {
			return err
		}
	}
	if !report.Complete {
		fmt.Fprintln(prose, "The search stopped at the limit; --limit <number> evaluates more requests.")
	}
	found := len(report.Warnings) + len(report.Findings)
	if report.Samples == 0 {
		_, err := fmt.Fprintf(prose, "%d found; an access table alone is not searched, because its rules allow no caller because of a missing value.\n", found)
		return err
	}
	_, err := fmt.Fprintf(prose, "%d found; started with %d requests, %d of them denied, and evaluated %d.\n",
		found, report.Samples, report.Denied, report.Evaluations)
	return err
}
