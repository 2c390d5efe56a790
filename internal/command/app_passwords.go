package command

import (
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/policyauth/caddy-policy-auth/internal/admin"
)

// appPasswordsURI is where the admin API has the app passwords.
const appPasswordsURI = "/policy_auth/app_passwords"

// newKeyEnd makes caddy policy-auth key end.
func newKeyEnd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "end --user <id or name> | --id <app password> | --all [--address <admin>]",
		Short: "Revokes app passwords",
		Long: "Ends all app passwords of a user, one app password, or all. On other machines with the same store, it takes up\n" +
			"to a second. The exit status is 1 if there was none to end.",
		Example: `  caddy policy-auth key end --user alice
  caddy policy-auth key end --id mfzwizltorsxg5cj
  caddy policy-auth key end --all`,
	}
	user := cmd.Flags().String("user", "", "the owner, by id or name")
	id := cmd.Flags().String("id", "", "the app password, as key list --app-passwords shows it")
	all := cmd.Flags().Bool("all", false, "the app passwords of all users")
	address := addAddress(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, args []string) (bool, error) {
		if err := noArgs(cmd, args); err != nil {
			return false, err
		}
		return end(cmd, *address, appPasswordsURI, "app passwords", *user, *id, *all)
	})
	return cmd
}

// listAppPasswords lists the app passwords of a running server.
func listAppPasswords(cmd *cobra.Command, address, user string, asJSON bool) (bool, error) {
	var list []admin.AppPassword
	if err := askSessions(address, http.MethodGet, appPasswordsURI+ofUser(user), &list); err != nil {
		return false, err
	}
	if asJSON {
		return len(list) > 0, writeJSON(cmd, list)
	}
	return len(list) > 0, tabulateAppPasswords(cmd.OutOrStdout(), list)
}

func tabulateAppPasswords(out io.Writer, list []admin.AppPassword) error {
	table := newTable("ID", "OWNER", "NAME", "SITE", "SCOPES", "MADE", "LAST USED", "EXPIRES")
	for _, p := range list {
		used := "-"
		if p.LastUsed != nil {
			used = p.LastUsed.UTC().Format(time.RFC3339)
		}
		table.row(p.ID, p.User, p.Name, p.Site, joined(p.Scopes), p.Created.UTC().Format(time.RFC3339), used, p.Expires.UTC().Format(time.RFC3339))
	}
	return table.write(out)
}
