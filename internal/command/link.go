package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/policyauth/caddy-policy-auth/internal/admin"
	"github.com/policyauth/caddy-policy-auth/internal/sharelink"
)

// linksURI is where the admin API has the share links.
const linksURI = "/policy_auth/links"

// newLink makes caddy policy-auth link.
func newLink() *cobra.Command {
	return group(&cobra.Command{
		Use:   "link <subcommand>",
		Short: "Adds, lists and revokes the share links of a running server",
		Long: `
Makes URLs that let guests see parts of a site without signing in, until a time. The
site needs links in its policy_auth block, and a rule with the condition links: true.
The commands use the server's admin API, at localhost:2019 or --address. Servers with
a common store share their links.`,
		Example: `  caddy policy-auth link add 'https://photos.example.com/2026/*' --until 7d --name "summer album"
  caddy policy-auth link list
  caddy policy-auth link revoke mfrggzdfmztwq2lk`,
	}, newLinkAdd(), newLinkList(), newLinkRevoke())
}

// newLinkAdd makes caddy policy-auth link add.
func newLinkAdd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add <url>... [--until <time>] [--name <text>] [--uses <n>] [--json] [--address <admin>]",
		Short: "Creates a share link and shows it once",
		Long: `
Creates a share link for the paths of one or more URLs of one site, and writes it to
standard output once: it cannot be shown again. A path that ends with /* stands for
everything below it, too. The link leads to the first of the URLs. Guests may read the
paths, if a rule of the site allows it.

--until takes a duration from now (7d, 12h), a time (2026-12-31T18:00:00Z) or a date,
which means the end of that day where the server is. Without it, the link lasts 7
days, or max_age of the site if that is less.`,
		Example: `  caddy policy-auth link add 'https://photos.example.com/2026/*' --until 7d --name "summer album"
  caddy policy-auth link add https://files.example.com/report.pdf --until 2026-12-31 --uses 1`,
	}
	var spec sharelink.Spec
	flags := cmd.Flags()
	flags.StringVar(&spec.Until, "until", "", "when it ends: a duration from now, a time or a date (7d)")
	flags.StringVar(&spec.Name, "name", "", "what it is for, which guests see, too")
	flags.IntVar(&spec.Uses, "uses", 0, "how often it can be opened (any number)")
	asJSON, address := addJSON(cmd), addAddress(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, args []string) (bool, error) {
		if len(args) == 0 {
			return false, fmt.Errorf("want the URL that guests may see: %s", cmd.UseLine())
		}
		if cmd.Flags().Changed("uses") && spec.Uses < 1 {
			return false, fmt.Errorf("--uses: want a number from 1, not %d; leave it out for any number of uses", spec.Uses)
		}
		spec.URLs = args
		body, err := json.Marshal(spec)
		if err != nil {
			return false, err
		}
		var link admin.Link
		if err := changeLinks(*address, http.MethodPost, linksURI, bytes.NewReader(body), &link); err != nil {
			return false, err
		}
		if *asJSON {
			return true, writeJSON(cmd, link)
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "created link %s, valid until %s; the URL is shown only once:\n", link.ID, link.Until.Local().Format(time.RFC3339))
		_, err = fmt.Fprintln(cmd.OutOrStdout(), link.URL)
		return true, err
	})
	return cmd
}

// newLinkList makes caddy policy-auth link list.
func newLinkList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list [--json] [--address <admin>]",
		Short:   "Lists the share links, without their tokens",
		Long:    "Lists the valid share links, the first to expire first. The exit status is 1 if there is none.",
		Example: `  caddy policy-auth link list --json`,
	}
	asJSON, address := addJSON(cmd), addAddress(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, args []string) (bool, error) {
		if err := noArgs(cmd, args); err != nil {
			return false, err
		}
		var list []admin.Link
		if err := askSessions(*address, http.MethodGet, linksURI, &list); err != nil {
			return false, err
		}
		if *asJSON {
			return len(list) > 0, writeJSON(cmd, list)
		}
		return len(list) > 0, tabulateLinks(cmd.OutOrStdout(), list)
	})
	return cmd
}

// newLinkRevoke makes caddy policy-auth link revoke.
func newLinkRevoke() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revoke <id> [--address <admin>]",
		Short: "Revokes a share link and ends its guests, on every machine",
		Long: "Revokes a share link by its id, as link list shows it, and ends the sessions of its guests. On other machines with the\n" +
			"same store, it takes up to a second. The exit status is 1 if there is no such link.",
		Example: "  caddy policy-auth link revoke mfrggzdfmztwq2lk",
	}
	address := addAddress(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, args []string) (bool, error) {
		id, err := oneArg(cmd, args, "id")
		if err != nil {
			return false, err
		}
		var answer admin.Revoked
		if err := changeLinks(*address, http.MethodDelete, linksURI+"/"+url.PathEscape(id), nil, &answer); err != nil {
			return false, err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%d revoked\n", answer.Revoked)
		return answer.Revoked > 0, nil
	})
	return cmd
}

// changeLinks sends a request that changes links and decodes the answer.
func changeLinks(address, method, uri string, body io.Reader, into any) error {
	answer, err := askServerWith(address, method, uri, http.Header{admin.ChangeHeader: {"1"}, "Content-Type": {"application/json"}}, body)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("the server's answer: %w", err)
	}
	return nil
}

func tabulateLinks(out io.Writer, list []admin.Link) error {
	table := newTable("ID", "NAME", "HOST", "PATHS", "USED", "UNTIL")
	for _, l := range list {
		used := strconv.Itoa(l.Used)
		if l.Uses > 0 {
			used += " of " + strconv.Itoa(l.Uses)
		}
		table.row(l.ID, l.Name, l.Host, strings.Join(l.Paths, " "), used, l.Until.UTC().Format(time.RFC3339))
	}
	return table.write(out)
}
