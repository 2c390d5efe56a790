package command

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// listing makes the function of a command that lists what stands in a file: as
// shown returns each, for programs, or in a table.
func listing[T, J any](file *string, asJSON *bool, parse func(string, []byte) ([]T, error), shown func(T) J, tabulate func(io.Writer, []T, time.Time) error) func(*cobra.Command, []string) error {
	return run(func(cmd *cobra.Command, args []string) (bool, error) {
		if err := noArgs(cmd, args); err != nil {
			return false, err
		}
		content, err := os.ReadFile(*file)
		if err != nil {
			return false, err
		}
		parsed, err := parse(*file, content)
		if err != nil {
			return false, err
		}
		if !*asJSON {
			return true, tabulate(cmd.OutOrStdout(), parsed, time.Now())
		}
		list := make([]J, 0, len(parsed))
		for _, one := range parsed {
			list = append(list, shown(one))
		}
		return true, writeJSON(cmd, list)
	})
}

// accountState says in a word or two whether a user or a key counts.
func accountState(disabled bool, expires, now time.Time) string {
	switch {
	case disabled:
		return "disabled"
	case expires.IsZero():
		return "active"
	case now.Before(expires):
		return "until " + expires.UTC().Format(time.RFC3339)
	}
	return "expired " + expires.UTC().Format(time.RFC3339)
}

// timePointer returns nil for no time.
func timePointer(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// table is written in columns.
type table struct{ lines []string }

func newTable(head ...string) *table {
	t := new(table)
	t.row(head...)
	return t
}

// row adds a line. What is empty is a dash; what a terminal would act on is
// quoted.
func (t *table) row(cells ...string) {
	shown := make([]string, len(cells))
	for i, cell := range cells {
		shown[i] = cmp.Or(cell, "-")
		if strings.ContainsFunc(cell, func(r rune) bool { return !strconv.IsPrint(r) }) {
			shown[i] = strconv.Quote(cell)
		}
	}
	t.lines = append(t.lines, strings.Join(shown, "\t"))
}

func (t *table) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(t.lines, "\n"))
	return w.Flush()
}
