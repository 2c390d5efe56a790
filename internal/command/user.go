package command

import (
	"fmt"
	"time"

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

// usersFile is a file of users that a command changes.
type usersFile struct{ name string }

// addUsers adds the flag that names one.
func addUsers(cmd *cobra.Command) *usersFile {
	f := new(usersFile)
	cmd.Flags().StringVar(&f.name, "users", "users.yaml", "the file of users")
	return f
}

// try makes a change that is thrown away: what cannot be is said before anybody
// types a password.
func (f *usersFile) try(change func(users.UsersEditor) error) error {
	old, err := readIfThere(f.name)
	if err != nil {
		return err
	}
	editor, err := users.EditUsers(f.name, old)
	if err != nil {
		return err
	}
	return change(editor)
}

// change makes a change and says what was done.
func (f *usersFile) change(cmd *cobra.Command, done string, change func(users.UsersEditor) error) error {
	made, err := rewrite(f.name, func(old []byte) ([]byte, error) {
		editor, err := users.EditUsers(f.name, old)
		if err != nil {
			return nil, err
		}
		if err := change(editor); err != nil {
			return nil, err
		}
		return editor.Bytes()
	})
	if err == nil {
		say(cmd, f.name, made, done)
	}
	return err
}

// say tells on standard error what was done to a file.
func say(cmd *cobra.Command, file string, made bool, done string) {
	if made {
		done += "; the file is new, and nobody but its owner may read it: the server has to run as that user"
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", file, done)
}

// newUserDisable makes caddy policy-auth user disable, or enable.
func newUserDisable(disabled bool) *cobra.Command {
	word, short := "enable", "Lets a disabled user in again"
	if disabled {
		word, short = "disable", "Keeps a user out, who stays in the file"
	}
	cmd := &cobra.Command{
		Use:     word + " <name> [--users <file>]",
		Short:   short,
		Example: "  caddy policy-auth user " + word + " bob\n  caddy policy-auth user " + word + " bob --users /etc/caddy/users.yaml",
	}
	file := addUsers(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, args []string) (bool, error) {
		name, err := one(cmd, args, "name")
		if err != nil {
			return false, err
		}
		return true, file.change(cmd, fmt.Sprintf("user %s is %sd", name, word), func(e users.UsersEditor) error { return e.Disable(name, disabled) })
	})
	return cmd
}

// newUserRemove makes caddy policy-auth user remove.
func newUserRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove <name> [--users <file>]",
		Short: "Removes a user from the file",
		Long: `
Removes a user from the file. Somebody else may get the name later, and what
belonged to it: disable keeps the name.`,
		Example: "  caddy policy-auth user remove bob",
	}
	file := addUsers(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, args []string) (bool, error) {
		name, err := one(cmd, args, "name")
		if err != nil {
			return false, err
		}
		return true, file.change(cmd, fmt.Sprintf("user %s is removed", name), func(e users.UsersEditor) error { return e.Remove(name) })
	})
	return cmd
}

// addExpires adds the flag for when somebody stops counting.
func addExpires(cmd *cobra.Command) *expiry {
	e := &expiry{now: time.Now}
	cmd.Flags().Var(e, "expires", "when it stops counting: a date, a time or how long from now, such as 90d (never)")
	return e
}
