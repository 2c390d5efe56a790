package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/policyauth/caddy-policy-auth/internal/policy/decisionlog"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/explain"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// explainFlags are what caddy policy-auth explain takes beside arguments.
type explainFlags struct {
	*sources
	asked     explain.Request
	headers   []string
	claims    []string
	identity  string
	constants string
	input     *string
	address   *string
	json      *bool
}

// newExplain makes caddy policy-auth explain.
func newExplain() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain <request id> | [<method>] <url> | --input <file> | -- curl …",
		Short: "Explains why a request was or would be denied",
		Long: `
Explains why a request was or would be denied: the caller, the rules that were
tried, each condition with its result, and the nearest rule.

A request id identifies one of the last 1,000 denied requests of a running server;
it is in the log. A URL, an input document or a curl command line describes any
other request. The document may be a part of an input, as for eval. Without
--policies and --access, the policies of the running server are used.

Credentials are never used or shown: set the caller with --as, --role and similar
flags, or with --identity. The exit status is 0 if the request is allowed, and 1 if
it is denied.`,
		Example: `  caddy policy-auth explain 0b2f5c1e-7a57-4f3c-9a51-3a1f0c9d6a2b
  caddy policy-auth explain 0b2f5c1e-7a57-4f3c-9a51-3a1f0c9d6a2b --role admin
  caddy policy-auth explain POST https://app.example.com/admin --as alice --access access.yaml
  caddy policy-auth explain --policies policies --input input.json
  caddy policy-auth explain --as alice -- curl -X DELETE https://app.example.com/docs/1`,
	}
	f := &explainFlags{sources: addSources(cmd), input: addInput(cmd), address: addAddress(cmd), json: addJSON(cmd)}
	flags, c := cmd.Flags(), &f.asked.Changes
	flags.StringArrayVarP(&f.headers, "header", "H", nil, "a header of the request, name: value (may be repeated)")
	flags.StringVar(&f.asked.Body, "body", "", "the body of the request")
	flags.StringVar(&f.asked.ClientIP, "client-ip", "", "the address of the client (192.0.2.1)")
	flags.StringVar(&f.identity, "identity", "", "a JSON file with the caller, as input.identity")
	flags.StringVar(&f.constants, "constants", "", "a JSON file with the constants of the config block")
	flags.StringVar(&f.asked.Set, "set", "", "the policy set of the server: an id, or one of its files")
	flags.BoolVar(&c.Anonymous, "anonymous", false, "what if the caller were anonymous")
	flags.StringVar(&c.As, "as", "", "what if the caller were this user, without roles, groups, scopes and claims")
	for name, list := range map[string]*[]string{"role": &c.Roles, "group": &c.Groups, "scope": &c.Scopes} {
		flags.StringArrayVar(list, name, nil, "what if the caller had this "+name+" (may be repeated)")
	}
	for name, list := range map[string]*[]string{"role": &c.WithoutRoles, "group": &c.WithoutGroups, "scope": &c.WithoutScopes} {
		flags.StringArrayVar(list, "without-"+name, nil, "what if the caller did not have this "+name+" (may be repeated)")
	}
	flags.StringArrayVar(&f.claims, "claim", nil, "what if the caller had this claim, name=value (may be repeated)")
	cmd.RunE = run(f.run)
	return cmd
}

// run asks and shows the answer.
func (f *explainFlags) run(cmd *cobra.Command, args []string) (bool, error) {
	if err := f.read(cmd, args); err != nil {
		return false, err
	}
	answer, err := f.ask(cmd)
	if err != nil {
		return false, err
	}
	if *f.json {
		return answer.Allow, writeJSON(cmd, answer)
	}
	_, err = io.WriteString(cmd.OutOrStdout(), printable(describe(answer)))
	return answer.Allow, err
}

// read makes the question from flags and arguments.
func (f *explainFlags) read(cmd *cobra.Command, args []string) (err error) {
	q := &f.asked
	var hints []string
	dash := cmd.ArgsLenAtDash()
	switch {
	case dash == 0 && len(args) > 1 && args[0] == "curl":
		if q.Description, hints, err = parseCurl(args[1:], q.Description); err != nil {
			return fmt.Errorf("curl: %w", err)
		}
	case dash >= 0:
		return errors.New("after --, write a curl command line: -- curl https://app.example.com/")
	case *f.input != "" && len(args) == 0:
		document, err := readInput(cmd, *f.input)
		if err != nil {
			return err
		}
		if q.Input, err = f.completed(cmd, document); err != nil {
			return err
		}
	case *f.input != "":
		return errors.New("--input already describes the request; leave out the other arguments")
	case len(args) == 1 && !strings.Contains(args[0], "://"):
		q.ID = args[0]
	case len(args) == 1:
		q.URL = args[0]
	case len(args) == 2:
		q.Method, q.URL = args[0], args[1]
	default:
		return fmt.Errorf("no request: %s", cmd.UseLine())
	}
	more, err := f.readDescription(cmd)
	if err != nil {
		return err
	}
	for _, hint := range append(hints, more...) {
		fmt.Fprintf(cmd.ErrOrStderr(), "Note: %s is a credential and is not used; set the caller with --as, --role or --identity\n", printable(hint))
	}
	return q.Check()
}

// readDescription adds what flags say of a request and its caller. It returns
// where credentials were.
func (f *explainFlags) readDescription(cmd *cobra.Command) (hints []string, err error) {
	q := &f.asked
	for _, line := range f.headers {
		if err := addHeader(&q.Description, line, &hints); err != nil {
			return nil, fmt.Errorf("--header: %w", err)
		}
	}
	if q.URL != "" {
		q.URL = withoutSecrets(q.URL, &hints)
	}
	if f.identity != "" {
		caller, err := readInput(cmd, f.identity)
		if err != nil {
			return nil, err
		}
		if q.Identity, err = json.Marshal(caller); err != nil {
			return nil, err
		}
	}
	if f.constants != "" {
		if q.Config, err = readInput(cmd, f.constants); err != nil {
			return nil, err
		}
	}
	for _, claim := range f.claims {
		name, value, ok := strings.Cut(claim, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--claim %q: want name=value", claim)
		}
		if q.Claims == nil {
			q.Claims = map[string]any{}
		}
		q.Claims[name] = claimValue(value)
	}
	return hints, nil
}

// claimValue reads a claim's value: JSON, or else text.
func claimValue(text string) any {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil || decoder.More() {
		return text
	}
	return value
}

// addHeader adds a header that is written as name: value. The value of one that
// holds a credential is left out, as policies see it.
func addHeader(d *explain.Description, line string, hints *[]string) error {
	name, value, ok := strings.Cut(line, ":")
	name = strings.TrimSpace(name)
	if !ok || name == "" || strings.ContainsAny(name, " \t") {
		return errors.New("want name: value, such as Accept: text/html")
	}
	value = strings.TrimSpace(value)
	if request.IsSecretName(name) {
		*hints = append(*hints, "the header "+name)
		value = request.Redacted
	}
	if d.Headers == nil {
		d.Headers = map[string]explain.Lines{}
	}
	d.Headers[name] = append(d.Headers[name], value)
	return nil
}

// withoutSecrets returns a URL without user, password and the values of parameters
// that hold credentials.
func withoutSecrets(text string, hints *[]string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	if u.User != nil {
		*hints = append(*hints, "the user in the URL")
		u.User = nil
	}
	var pairs []string
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(name); pair != "" && (err != nil || request.IsSecretName(decoded)) {
			*hints = append(*hints, "the parameter "+name)
			pair = name + "=" + url.QueryEscape(request.Redacted)
		}
		pairs = append(pairs, pair)
	}
	u.RawQuery = strings.Join(pairs, "&")
	return u.String()
}

// ask asks the policies in files if some are named, or else the running server.
func (f *explainFlags) ask(cmd *cobra.Command) (explain.Response, error) {
	if len(f.config.Sources)+len(f.config.Access) == 0 {
		return f.askRunning()
	}
	set, err := f.open(cmd)
	if err != nil {
		return explain.Response{}, err
	}
	defer set.Close()
	if f.asked.ID == "" {
		return explain.Ask(cmd.Context(), set, f.asked)
	}
	response, err := askServer(*f.address, http.MethodGet, "/policy_auth/decisions?id="+url.QueryEscape(f.asked.ID), nil)
	if err != nil {
		return explain.Response{}, err
	}
	defer response.Body.Close()
	var refusals []decisionlog.Refusal
	if err := json.NewDecoder(response.Body).Decode(&refusals); err != nil || len(refusals) == 0 {
		return explain.Response{}, errors.New("the response of the server is not valid JSON; is --address the admin API of Caddy, and are both of the same version?")
	}
	return explain.About(cmd.Context(), set, refusals[0], f.asked.Changes)
}

// askRunning asks the running server.
func (f *explainFlags) askRunning() (explain.Response, error) {
	var answer explain.Response
	content, err := json.Marshal(f.asked)
	if err != nil {
		return answer, err
	}
	response, err := askServer(*f.address, http.MethodPost, "/policy_auth/explain", bytes.NewReader(content))
	if err != nil {
		return answer, err
	}
	defer response.Body.Close()
	decoder := json.NewDecoder(response.Body)
	decoder.UseNumber()
	if err := decoder.Decode(&answer); err != nil {
		return answer, errors.New("the response of the server is not valid JSON; is --address the admin API of Caddy, and are both of the same version?")
	}
	return answer, nil
}
