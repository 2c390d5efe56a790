package command

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/open-policy-agent/opa/v1/format"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"
)

// newFormat makes caddy policy-auth fmt.
func newFormat() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fmt [<file or directory>...] [--check] [--diff] [--write]",
		Short: "Formats policies as OPA does",
		Long: `
Formats policies as opa fmt does. Without a flag, the formatted text is written to
standard output; without a file, standard input is formatted. In a directory and its
subdirectories, only *.rego files are formatted.`,
		Example: `  caddy policy-auth fmt --write policies
  caddy policy-auth fmt --check policies
  caddy policy-auth fmt --diff policies/authz.rego`,
	}
	var f formatter
	flags := cmd.Flags()
	flags.BoolVarP(&f.check, "check", "l", false, "list the files that are not formatted; exit with 1 if there are any")
	flags.BoolVarP(&f.diff, "diff", "d", false, "show the changes without making them; exit with 1 if there are any")
	flags.BoolVarP(&f.write, "write", "w", false, "write the formatted text to the files, and list the changed ones")
	cmd.RunE = run(f.run)
	return cmd
}

// formatter formats policies in one of its ways.
type formatter struct {
	check, diff, write bool
	found              bool // something that is not formatted
}

func (f *formatter) run(cmd *cobra.Command, args []string) (bool, error) {
	if f.write && (f.check || f.diff) {
		return false, errors.New("--write cannot be combined with --check or --diff")
	}
	if len(args) == 0 {
		return f.standardInput(cmd)
	}
	files, err := regoFiles(args)
	if err != nil {
		return false, err
	}
	var problems []error
	for _, file := range files {
		problems = append(problems, f.file(cmd.OutOrStdout(), file))
	}
	return f.write || !f.found, errors.Join(problems...)
}

// standardInput formats what stands there.
func (f *formatter) standardInput(cmd *cobra.Command) (bool, error) {
	if f.write {
		return false, errors.New("--write needs files or directories")
	}
	source, err := io.ReadAll(cmd.InOrStdin())
	if err != nil {
		return false, err
	}
	formatted, err := format.Source("standard input", source)
	if err != nil {
		return false, err
	}
	return !f.found, f.show(cmd.OutOrStdout(), "standard input", source, formatted)
}

// file formats one file.
func (f *formatter) file(out io.Writer, name string) error {
	source, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	formatted, err := format.Source(name, source)
	if err != nil {
		return err
	}
	if !f.write {
		return f.show(out, name, source, formatted)
	}
	if string(source) == string(formatted) {
		return nil
	}
	fmt.Fprintln(out, name)
	_, err = replaceFile(name, func(now []byte) ([]byte, error) {
		if string(now) != string(source) {
			return nil, fmt.Errorf("%s was changed while it was being formatted; run fmt again", name)
		}
		return formatted, nil
	})
	return err
}

// show writes what was asked for: names, differences or the whole text.
func (f *formatter) show(out io.Writer, name string, source, formatted []byte) error {
	if !f.check && !f.diff {
		_, err := out.Write(formatted)
		return err
	}
	if string(source) == string(formatted) {
		return nil
	}
	f.found = true
	if f.check {
		fmt.Fprintln(out, name)
	}
	if f.diff {
		_, err := out.Write(diff.Diff(name, source, name+" formatted", formatted))
		return err
	}
	return nil
}

// regoFiles returns the policies among files and below directories. Directories
// whose names begin with a dot are not entered.
func regoFiles(paths []string) ([]string, error) {
	var found []string
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil {
			return nil, err
		} else if !info.IsDir() {
			if filepath.Ext(path) != ".rego" {
				return nil, fmt.Errorf("%s: only policies (*.rego) are formatted", path)
			}
			found = append(found, path)
			continue
		}
		err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			hidden := name != path && strings.HasPrefix(entry.Name(), ".")
			switch {
			case err != nil:
				return err
			case entry.IsDir() && hidden:
				return fs.SkipDir
			case !entry.IsDir() && !hidden && filepath.Ext(name) == ".rego":
				found = append(found, name)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}
