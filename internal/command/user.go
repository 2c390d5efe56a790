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
Changes users.yaml, the file of basic and login form. Comments and order are
preserved. The file is replaced atomically, and a running server applies the change
within a second: from then on, a disabled user is rejected.`,
		Example: `  caddy policy-auth user add alice --roles admin,member
  caddy policy-auth user list`,
	}, newUserAdd(), newUserPassword(), newUserDisable(true), newUserDisable(false), newUserRemove(), newUserList())
}

// newUserDisable makes caddy policy-auth user disable, or enable.
func newUserDisable(disabled bool) *cobra.Command {
	word, short := "enable", "Enables a disabled user"
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
Removes a user from the file. If you later give the name to another person, they get
everything that belongs to it: use disable to keep the name reserved.`,
		Example: "  caddy policy-auth user remove bob",
	}
	cmd.RunE = addUsers(cmd).changeOne("name", "user %s is removed", users.UsersEditor.Remove)
	return cmd
}
