package command

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/policyauth/caddy-policy-auth/internal/users"
)

// newKey makes caddy policy-auth key and its members.
func newKey() *cobra.Command {
	return group(&cobra.Command{
		Use:   "key <subcommand>",
		Short: "Adds, disables, lists and removes API keys; lists and ends app passwords",
		Long: `
Changes keys.yaml, the file of api_key, in which only hashes are stored. Comments
and order are preserved. The file is replaced atomically, and a running server applies
the change within a second.

App passwords, which users make themselves, are in the store of a running server:
key list --app-passwords and key end use its admin API.`,
		Example: `  caddy policy-auth key add ci --owner build-server --scopes deploy
  caddy policy-auth key list
  caddy policy-auth key list --app-passwords --user alice
  caddy policy-auth key end --user alice`,
	}, newKeyAdd(), newKeyDisable(), newKeyRemove(), newKeyList(), newKeyEnd())
}

// shownKey is what key add --json shows, this once.
type shownKey struct {
	ID    string `json:"id"`
	Owner string `json:"owner"`
	Key   string `json:"key"`
}

// newKeyAdd makes caddy policy-auth key add.
func newKeyAdd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add <id> [--owner <id>] [--roles <role>,...] [--scopes <scope>,...] [--networks <network>,...] [--expires <time>] [--json] [--keys <file>]",
		Short: "Creates a key and shows it once",
		Long: `
Creates a key of 256 random bits, stores its hash, and writes the key to standard
output once: it cannot be recovered later. The key begins with its id, so if it
leaks, you know which one to disable.`,
		Example: `  caddy policy-auth key add ci --owner build-server --roles deployer --scopes deploy
  caddy policy-auth key add backup --networks 10.0.0.0/8 --expires 90d`,
	}
	var key users.KeyEntry
	file, asJSON, expires := addKeys(cmd), addJSON(cmd), addExpires(cmd)
	flags := cmd.Flags()
	flags.StringVar(&key.Owner, "owner", "", "the owner: input.identity.id in policies (the key's id)")
	addWords(flags, &key.Roles, "roles", "the key's roles")
	addWords(flags, &key.Scopes, "scopes", "the key's scopes")
	addWords(flags, &key.Networks, "networks", "the networks from which the key is accepted (all)")
	cmd.RunE = run(func(cmd *cobra.Command, args []string) (yes bool, err error) {
		if key.ID, err = oneArg(cmd, args, "id"); err != nil {
			return false, err
		}
		key.Owner, key.Expires = cmp.Or(key.Owner, key.ID), expires.time
		var secret string
		if secret, key.Hash, err = users.GenerateAPIKey(key.ID); err != nil {
			return false, err
		}
		if err := file.change(cmd, fmt.Sprintf("added key %s", key.ID), func(e users.KeysEditor) error { return e.Add(key) }); err != nil {
			return false, err
		}
		if *asJSON {
			return true, writeJSON(cmd, shownKey{key.ID, key.Owner, secret})
		}
		fmt.Fprintln(cmd.ErrOrStderr(), "the key, which is shown only once:")
		_, err = fmt.Fprintln(cmd.OutOrStdout(), secret)
		return true, err
	})
	return cmd
}

// newKeyDisable makes caddy policy-auth key disable.
func newKeyDisable() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "disable <id> [--keys <file>]",
		Short:   "Disables a key and keeps its id reserved",
		Example: "  caddy policy-auth key disable ci",
	}
	cmd.RunE = addKeys(cmd).changeOne("id", "key %s is disabled", users.KeysEditor.Revoke)
	return cmd
}

// newKeyRemove makes caddy policy-auth key remove.
func newKeyRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "remove <id> [--keys <file>]",
		Short:   "Removes a key from the file; its id may be used again",
		Example: "  caddy policy-auth key remove ci",
	}
	cmd.RunE = addKeys(cmd).changeOne("id", "key %s is removed", users.KeysEditor.Remove)
	return cmd
}
