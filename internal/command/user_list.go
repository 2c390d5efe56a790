package command

import (
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/policyauth/caddy-policy-auth/internal/users"
)

// listedUser is a user as user list --json shows it: everything but the hash.
type listedUser struct {
	Name     string     `json:"name"`
	FullName string     `json:"full_name"`
	Roles    []string   `json:"roles"`
	Groups   []string   `json:"groups"`
	Email    string     `json:"email"`
	Disabled bool       `json:"disabled"`
	Expires  *time.Time `json:"expires"`
}

// newUserList makes caddy policy-auth user list.
func newUserList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [--json] [--users <file>]",
		Short: "Lists the users of a file, without their passwords",
		Example: `  caddy policy-auth user list
  caddy policy-auth user list --users /etc/caddy/htpasswd --json`,
	}
	file, asJSON := addUsers(cmd), addJSON(cmd)
	cmd.RunE = listing(&file.name, asJSON, users.ParseUsers, listUser, tabulateUsers)
	return cmd
}

func listUser(u *users.User) listedUser {
	return listedUser{
		Name: u.Name, FullName: u.Identity.Name, Roles: u.Identity.Roles, Groups: u.Identity.Groups, Email: u.Identity.Email,
		Disabled: u.Disabled, Expires: timePointer(u.Expires),
	}
}

// joined lists words of which one may hold a comma: it is quoted then.
func joined(words []string) string {
	shown := make([]string, len(words))
	for i, word := range words {
		if shown[i] = word; strings.ContainsAny(word, `,"`) {
			shown[i] = strconv.Quote(word)
		}
	}
	return strings.Join(shown, ",")
}

func tabulateUsers(out io.Writer, parsed []*users.User, now time.Time) error {
	table := newTable("NAME", "ROLES", "GROUPS", "EMAIL", "STATE")
	for _, u := range parsed {
		table.row(u.Name, joined(u.Identity.Roles), joined(u.Identity.Groups), u.Identity.Email, accountState(u.Disabled, u.Expires, now))
	}
	return table.write(out)
}
