package command

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/policyauth/caddy-policy-auth/internal/users"
)

// listedKey is a key as key list --json shows it: everything but the hash.
type listedKey struct {
	ID       string         `json:"id"`
	Owner    string         `json:"owner"`
	Roles    []string       `json:"roles"`
	Scopes   []string       `json:"scopes"`
	Networks []netip.Prefix `json:"networks"`
	Disabled bool           `json:"disabled"`
	Expires  *time.Time     `json:"expires"`
}

// newKeyList makes caddy policy-auth key list.
func newKeyList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [--json] [--keys <file>] | --app-passwords [--user <id or name>] [--json] [--address <admin>]",
		Short: "Lists the keys of a file, without their hashes, or the app passwords of a running server",
		Example: `  caddy policy-auth key list
  caddy policy-auth key list --keys /etc/caddy/keys.yaml --json
  caddy policy-auth key list --app-passwords --user alice`,
	}
	file, asJSON := addKeys(cmd), addJSON(cmd)
	passwords := cmd.Flags().Bool("app-passwords", false, "the app passwords of a running server")
	user := cmd.Flags().String("user", "", "the owner of the app passwords, by id or name")
	address := addAddress(cmd)
	keys := listing(&file.name, asJSON, users.ParseAPIKeys, listKey, tabulateKeys)
	ofServer := run(func(cmd *cobra.Command, args []string) (bool, error) {
		if err := noArgs(cmd, args); err != nil {
			return false, err
		}
		return listAppPasswords(cmd, *address, *user, *asJSON)
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case *passwords && cmd.Flags().Changed("keys"):
			return fail(cmd, errors.New("app passwords are not in a file: leave out --keys or --app-passwords"))
		case *passwords:
			return ofServer(cmd, args)
		case *user != "" || *address != "":
			return fail(cmd, errors.New("--user and --address select app passwords: add --app-passwords"))
		}
		return keys(cmd, args)
	}
	return cmd
}

func listKey(k *users.APIKey) listedKey {
	return listedKey{
		ID: k.ID, Owner: k.Identity.ID, Roles: k.Identity.Roles, Scopes: k.Identity.Scopes,
		Networks: append([]netip.Prefix{}, k.Networks...), Disabled: k.Disabled, Expires: timePointer(k.Expires),
	}
}

func tabulateKeys(out io.Writer, parsed []*users.APIKey, now time.Time) error {
	table := newTable("ID", "OWNER", "ROLES", "SCOPES", "NETWORKS", "STATE")
	for _, k := range parsed {
		networks := strings.Trim(fmt.Sprint(k.Networks), "[]")
		table.row(k.ID, k.Identity.ID, joined(k.Identity.Roles), joined(k.Identity.Scopes), networks, accountState(k.Disabled, k.Expires, now))
	}
	return table.write(out)
}
