package command

import (
	"github.com/spf13/cobra"

	"github.com/policyauth/caddy-policy-auth/internal/users"
)

// newUser makes caddy policy-auth user and its members.
func newUser() *cobra.Command {
	return group(&cobra.Command{
		Use:   "user <subcommand>",
		Short: "Adds, changes, lists and removes users",
		Long: `
Changes users.yaml, the file of basic and login form. Comments and the order of
what stands in it are kept. The file is replaced as a whole, and a running server
takes it by itself: a user who is disabled is refused from then on.`,
		Example: `  caddy policy-auth user add alice --roles admin,member
  caddy policy-auth user list`,
	}, newUserAdd(), newUserPassword(), newUserDisable(true), newUserDisable(false), newUserRemove(), newUserList())
}

// newUserDisable makes caddy policy-auth user disable, or enable.
func newUserDisable(disabled bool) *cobra.Command {
	word, short := "enable", "Lets a disabled user in again"
	if disabled {
		word, short = "disable", "Disables a user without removing the entry"
	}
	cmd := &cobra.Command{
		Use:     word + " <name> [--users <file>]",
		Short:   short,
		Example: "  caddy policy-auth user " + word + " bob\n  caddy policy-auth user " + word + " bob --users /etc/caddy/users.yaml",
	}
	disable := func(e users.UsersEditor, name string) error { return e.Disable(name, disabled) }
	cmd.RunE = addUsers(cmd).changeOne("name", "user %s is "+word+"d", disable)
	return cmd
}

// newUserRemove makes caddy policy-auth user remove.
func newUserRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove <name> [--users <file>]",
		Short: "Removes a user from the file",
		Long: `
Removes a user from the file. Another person may get the name later, and what
belonged to it: disable keeps the name.`,
		Example: "  caddy policy-auth user remove bob",
	}
	cmd.RunE = addUsers(cmd).changeOne("name", "user %s is removed", users.UsersEditor.Remove)
	return cmd
}
