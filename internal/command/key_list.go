package command

import (
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
		Use:   "list [--json] [--keys <file>]",
		Short: "Lists the keys of a file, without their hashes",
		Example: `  caddy policy-auth key list
  caddy policy-auth key list --keys /etc/caddy/keys.yaml --json`,
	}
	file, asJSON := addKeys(cmd), addJSON(cmd)
	cmd.RunE = listing(&file.name, asJSON, users.ParseAPIKeys, listKey, tabulateKeys)
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
