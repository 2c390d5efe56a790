package command

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// newHash makes caddy policy-auth hash.
func newHash() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hash [--algorithm argon2id|bcrypt]",
		Short: "Hashes a password",
		Long: `
Hashes a password, for users.yaml or for a line "user <name> <hash>" in the
Caddyfile.

` + passwordFrom,
		Example: `  caddy policy-auth hash
  caddy policy-auth hash --algorithm bcrypt < password.txt`,
	}
	algorithm := addAlgorithm(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, args []string) (bool, error) {
		if len(args) > 0 {
			return false, errors.New("a password cannot be an argument, because other users can see it; leave it out to be asked for it, or write it to standard input")
		}
		hash, err := hashWith(*algorithm)
		if err != nil {
			return false, err
		}
		password, err := readPassword(cmd)
		if err != nil {
			return false, err
		}
		hashed, err := hash(password)
		if err != nil {
			return false, err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), hashed)
		return err == nil, err
	})
	return cmd
}
