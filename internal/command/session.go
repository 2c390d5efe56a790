package command

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/policyauth/caddy-policy-auth/internal/admin"
)

// sessionsURI is where the admin API has the sessions.
const sessionsURI = "/policy_auth/sessions"

// maxAnswer is how many bytes of an answer of the admin API are read.
const maxAnswer = 64 << 20

// newSession makes caddy policy-auth session.
func newSession() *cobra.Command {
	return group(&cobra.Command{
		Use:   "session <subcommand>",
		Short: "Lists and ends the sessions of a running server",
		Long: `
Lists the users who are signed in to the sites of a running server, and signs them
out. It uses the server's admin API, at localhost:2019 or --address. Servers with a
common store show the same sessions.`,
		Example: `  caddy policy-auth session list
  caddy policy-auth session list --user alice --json
  caddy policy-auth session end --user alice
  caddy policy-auth session list --address unix//run/caddy/admin.sock`,
	}, newSessionList(), newSessionEnd())
}

// newSessionList makes caddy policy-auth session list.
func newSessionList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [--user <id or name>] [--json] [--address <admin>]",
		Short: "Lists the signed-in users",
		Long:  "Lists the signed-in users: all, or one by id or name. The exit status is 1 if there is none.",
		Example: `  caddy policy-auth session list
  caddy policy-auth session list --user alice --json`,
	}
	user := cmd.Flags().String("user", "", "the user, by id or name")
	asJSON, address := addJSON(cmd), addAddress(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, args []string) (bool, error) {
		if err := noArgs(cmd, args); err != nil {
			return false, err
		}
		var list []admin.Session
		if err := askSessions(*address, http.MethodGet, sessionsURI+ofUser(*user), &list); err != nil {
			return false, err
		}
		if *asJSON {
			return len(list) > 0, writeJSON(cmd, list)
		}
		return len(list) > 0, tabulateSessions(cmd.OutOrStdout(), list)
	})
	return cmd
}

// newSessionEnd makes caddy policy-auth session end.
func newSessionEnd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "end --user <id or name> | --id <session> | --all [--address <admin>]",
		Short: "Signs users out",
		Long: "Ends all sessions of a user with the app passwords, one session alone, or all. On other machines with the\n" +
			"same store, it takes up to a second. The exit status is 1 if there was none to end.",
		Example: `  caddy policy-auth session end --user alice
  caddy policy-auth session end --id 2jmj7l5rSw0yVb_vlWAYkK_YBwkPa3S8Gq0mpwNW1Vo
  caddy policy-auth session end --all`,
	}
	user := cmd.Flags().String("user", "", "the user, by id or name")
	id := cmd.Flags().String("id", "", "the session, as session list shows it")
	all := cmd.Flags().Bool("all", false, "the sessions of all users")
	address := addAddress(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, args []string) (bool, error) {
		if err := noArgs(cmd, args); err != nil {
			return false, err
		}
		return end(cmd, *address, sessionsURI, "sessions", *user, *id, *all)
	})
	return cmd
}

// end ends what is below a URI of the admin API, and says how many there were.
func end(cmd *cobra.Command, address, uri, what, user, id string, all bool) (bool, error) {
	uri, err := whichOf(uri, what, user, id, all)
	if err != nil {
		return false, err
	}
	var answer admin.Ended
	if err := askSessions(address, http.MethodDelete, uri, &answer); err != nil {
		return false, err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d ended\n", answer.Ended)
	if answer.AppPasswords > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "%d app passwords ended\n", answer.AppPasswords)
	}
	return answer.Ended+answer.AppPasswords > 0, nil
}

// whichOf returns the address of the sessions or app passwords to end.
func whichOf(uri, what, user, id string, all bool) (string, error) {
	named := 0
	for _, given := range []bool{user != "", id != "", all} {
		if given {
			named++
		}
	}
	switch {
	case named != 1:
		return "", fmt.Errorf("select %s with exactly one of --user, --id and --all", what)
	case all:
		return uri + "?all=true", nil
	case id != "":
		return uri + "/" + url.PathEscape(id), nil
	}
	return uri + ofUser(user), nil
}

func ofUser(user string) string {
	if user == "" {
		return ""
	}
	return "?user=" + url.QueryEscape(user)
}

// askSessions asks the admin API and decodes what it answers.
func askSessions(address, method, uri string, into any) error {
	answer, err := askServerWith(address, method, uri, http.Header{admin.ChangeHeader: {"1"}}, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("the server's answer: %w", err)
	}
	return nil
}

func tabulateSessions(out io.Writer, list []admin.Session) error {
	table := newTable("ID", "USER", "NAME", "SITE", "SINCE", "LAST USED")
	for _, s := range list {
		table.row(s.ID, s.User, s.Username, s.Site, s.Created.UTC().Format(time.RFC3339), s.LastUsed.UTC().Format(time.RFC3339))
	}
	return table.write(out)
}
