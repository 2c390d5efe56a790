package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// group makes a command that does nothing but choose among others.
func group(cmd *cobra.Command, members ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(members...)
	cmd.Args, cmd.SuggestionsMinimumDistance = cobra.ArbitraryArgs, 2
	cmd.RunE = run(choose)
	return cmd
}

// choose is what a group does by itself: it shows its members, and says so if
// none is meant.
func choose(cmd *cobra.Command, args []string) (bool, error) {
	if len(args) == 0 {
		return true, cmd.Help()
	}
	hint := fmt.Sprintf("%s --help lists them", cmd.CommandPath())
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return false, fmt.Errorf("%q is not a subcommand; %s", args[0], hint)
}

// oneArg returns the only argument of a command; what names it in errors.
func oneArg(cmd *cobra.Command, args []string, what string) (string, error) {
	if len(args) != 1 || args[0] == "" {
		return "", fmt.Errorf("want one %s: %s", what, cmd.UseLine())
	}
	return args[0], nil
}

// noArgs returns an error if there are arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%q: want no arguments: %s", args[0], cmd.UseLine())
	}
	return nil
}
