package command

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/policyauth/caddy-policy-auth/internal/users"
)

// newUserAdd makes caddy policy-auth user add.
func newUserAdd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add <name> [--roles <role>,...] [--groups <group>,...] [--email <address>] [--name <name>] [--expires <time>] [--generate] [--users <file>]",
		Short: "Adds a user",
		Long: `
Adds a user with a password. Only its hash is stored.

` + passwordFrom + `

With --generate, a random password is created and written to standard output once.`,
		Example: `  caddy policy-auth user add alice --roles admin,member --email alice@example.com
  caddy policy-auth user add bob --expires 90d --generate
  caddy policy-auth user add carol --users /etc/caddy/users.yaml < password.txt`,
	}
	var account users.UserEntry
	file, secret, expires := addUsers(cmd), addPassword(cmd), addExpires(cmd)
	flags := cmd.Flags()
	addWords(flags, &account.Roles, "roles", "the user's roles")
	addWords(flags, &account.Groups, "groups", "the user's groups")
	flags.StringVar(&account.Email, "email", "", "the user's e-mail address")
	flags.StringVar(&account.FullName, "name", "", "the user's full name")
	cmd.RunE = run(func(cmd *cobra.Command, args []string) (yes bool, err error) {
		if account.Name, err = oneArg(cmd, args, "name"); err != nil {
			return false, err
		}
		account.Expires = expires.time
		add := func(e users.UsersEditor) error { return e.Add(account) }
		if err := file.try(add); err != nil {
			return false, err
		}
		if err := secret.hash(cmd, &account.Hash); err != nil {
			return false, err
		}
		if err := file.change(cmd, fmt.Sprintf("added user %s", account.Name), add); err != nil {
			return false, err
		}
		return true, secret.show(cmd)
	})
	return cmd
}

// newUserPassword makes caddy policy-auth user password.
func newUserPassword() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "password <name> [--generate] [--users <file>]",
		Short: "Sets a user's password",
		Long: `
Sets a user's password. Only its hash is stored.

` + passwordFrom + `

With --generate, a random password is created and written to standard output once.`,
		Example: `  caddy policy-auth user password alice
  caddy policy-auth user password alice --generate`,
	}
	file, secret := addUsers(cmd), addPassword(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, args []string) (bool, error) {
		name, err := oneArg(cmd, args, "name")
		if err != nil {
			return false, err
		}
		var hash string
		set := func(e users.UsersEditor) error { return e.SetHash(name, hash) }
		if err := file.try(set); err != nil {
			return false, err
		}
		if err := secret.hash(cmd, &hash); err != nil {
			return false, err
		}
		if err := file.change(cmd, fmt.Sprintf("user %s has a new password", name), set); err != nil {
			return false, err
		}
		return true, secret.show(cmd)
	})
	return cmd
}

// newSecret is the password that a command gives a user.
type newSecret struct {
	generate  *bool
	algorithm *string
	made      string // to be shown, "" if it was not made up here
}

func addPassword(cmd *cobra.Command) *newSecret {
	return &newSecret{
		generate:  cmd.Flags().Bool("generate", false, "create a random password and show it once"),
		algorithm: addAlgorithm(cmd),
	}
}

// hash asks for the password or makes one up, and stores its hash.
func (s *newSecret) hash(cmd *cobra.Command, into *string) error {
	hash, err := hashWith(*s.algorithm)
	if err != nil {
		return err
	}
	var password string
	if *s.generate {
		password = users.GeneratePassword()
		s.made = password
	} else if password, err = readPassword(cmd); err != nil {
		return err
	}
	*into, err = hash(password)
	return err
}

// show writes a password that was made up.
func (s *newSecret) show(cmd *cobra.Command) error {
	if s.made == "" {
		return nil
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "the password, which is shown only once:")
	_, err := fmt.Fprintln(cmd.OutOrStdout(), s.made)
	return err
}
