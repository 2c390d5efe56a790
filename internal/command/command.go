// Package command is what operators type: caddy policy-auth and its
// subcommands. Results go to standard output, prose to standard error, and the
// exit status is 0 for yes, 1 for no (denied, failed, found) and 2 for an error.
package command

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/policyauth/caddy-policy-auth/internal/textutil"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "policy-auth",
		Usage: "<subcommand>",
		Short: "Manages the policies, access tables, users, keys, sessions and share links of policy_auth",
		Long: `
Manages and tests what the policy_auth handler reads: policies, access tables,
users and keys. Explains the decisions of a running server, and lists and ends
its sessions, app passwords and share links.

The exit status is 0 for yes, 1 for no (denied, failed, found) and 2 for an error.
Results go to standard output, everything else to standard error.`,
		CobraFunc: assemble,
	})
}

// subcommands makes every subcommand, in the order in which help lists them.
var subcommands = []func() *cobra.Command{
	newInit,
	newCheck,
	newTest,
	newEval,
	newFormat,
	newHash,
	newUser,
	newKey,
	newSession,
	newLink,
	newExplain,
}

// assemble adds the subcommands to caddy policy-auth.
func assemble(parent *cobra.Command) {
	parent.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fail(cmd, fmt.Errorf("%w%s; %s --help shows the flags", err, nearFlag(cmd, err), cmd.CommandPath()))
	})
	members := make([]*cobra.Command, 0, len(subcommands))
	for _, newMember := range subcommands {
		members = append(members, newMember())
	}
	group(parent, members...)
}

// nearFlag suggests the flag that an unknown one may mean.
func nearFlag(cmd *cobra.Command, err error) string {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return ""
	}
	var names []string
	cmd.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	if near := textutil.Nearest(unknown.GetSpecifiedName(), names); near != "" {
		return "; did you mean --" + near + "?"
	}
	return ""
}

// errFailed is the answer no; it says nothing, since the command has.
var errFailed = errors.New("no")

// run makes a command's function: yes is exit status 0, no is 1, an error is 2.
func run(f func(cmd *cobra.Command, args []string) (yes bool, err error)) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		yes, err := f(cmd, args)
		switch {
		case err != nil:
			return fail(cmd, err)
		case !yes:
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			return errFailed
		}
		return nil
	}
}

// fail tells the operator what is wrong and ends with exit status 2.
func fail(cmd *cobra.Command, err error) error {
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	fmt.Fprintf(cmd.ErrOrStderr(), "Error: %v\n", err)
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return 2, nil })(cmd, nil)
}
