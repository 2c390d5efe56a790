package command

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
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
	cmd.RunE = run(func(cmd *cobra.Command, args []string) (bool, error) {
		if err := none(cmd, args); err != nil {
			return false, err
		}
		content, err := os.ReadFile(file.name)
		if err != nil {
			return false, err
		}
		parsed, err := users.ParseUsers(file.name, content)
		if err != nil {
			return false, err
		}
		if *asJSON {
			return true, writeJSON(cmd, listUsers(parsed))
		}
		return true, tabulateUsers(cmd.OutOrStdout(), parsed, time.Now())
	})
	return cmd
}

func listUsers(parsed []*users.User) []listedUser {
	list := make([]listedUser, 0, len(parsed))
	for _, u := range parsed {
		list = append(list, listedUser{
			Name: u.Name, FullName: u.Identity.Name, Roles: u.Identity.Roles, Groups: u.Identity.Groups, Email: u.Identity.Email,
			Disabled: u.Disabled, Expires: pointer(u.Expires),
		})
	}
	return list
}

func tabulateUsers(out io.Writer, parsed []*users.User, now time.Time) error {
	table := newTable("NAME", "ROLES", "GROUPS", "EMAIL", "STATE")
	for _, u := range parsed {
		table.row(u.Name, strings.Join(u.Identity.Roles, ","), strings.Join(u.Identity.Groups, ","), u.Identity.Email, state(u.Disabled, u.Expires, now))
	}
	return table.write(out)
}

// state says in a word or two whether somebody counts.
func state(disabled bool, expires, now time.Time) string {
	switch {
	case disabled:
		return "disabled"
	case expires.IsZero():
		return "active"
	case now.Before(expires):
		return "until " + expires.UTC().Format(time.RFC3339)
	}
	return "expired " + expires.UTC().Format(time.RFC3339)
}

// pointer returns nil for no time.
func pointer(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// table is written in columns.
type table struct{ lines []string }

func newTable(head ...string) *table {
	t := new(table)
	t.row(head...)
	return t
}

// row adds a line. What is empty is a dash; what a terminal would act on is
// quoted.
func (t *table) row(cells ...string) {
	shown := make([]string, len(cells))
	for i, cell := range cells {
		shown[i] = cmp.Or(cell, "-")
		if strings.ContainsFunc(cell, func(r rune) bool { return !strconv.IsPrint(r) }) {
			shown[i] = strconv.Quote(cell)
		}
	}
	t.lines = append(t.lines, strings.Join(shown, "\t"))
}

func (t *table) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(t.lines, "\n"))
	return w.Flush()
}
