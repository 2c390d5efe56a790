package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
)

// sources are the policies and access tables that a command is asked about, read
// from their files as a server reads them.
type sources struct{ config policy.Config }

// addSources adds the flags that name policies as the Caddyfile does.
func addSources(cmd *cobra.Command) *sources {
	s := new(sources)
	flags, c := cmd.Flags(), &s.config
	flags.StringArrayVar(&c.Sources, "policies", nil, "policies: a directory, a file or a bundle .tar.gz, whose signature is not verified (may be repeated)")
	c.SkipVerification = true
	flags.StringArrayVar(&c.Access, "access", nil, "an access table (may be repeated)")
	flags.StringVar(&c.Decision, "decision", "", "the rule that decides (data.caddy.authz.allow)")
	flags.DurationVar(&c.Timeout, "timeout", 0, "how long a decision may take (100ms)")
	flags.StringArrayVar(&c.AllowBuiltins, "builtin", nil, "a built-in function to turn on, such as http.send; docs/policies.md lists the ones that are off (may be repeated)")
	flags.StringVar(&c.ClaimsSchema, "claims-schema", "", "a JSON Schema of input.identity.claims")
	flags.BoolVar(&c.OPAEnvoy, "opa-envoy", false, "the policies are written for opa-envoy-plugin")
	return s
}

// add takes arguments for policies, as an operator types them first: directories
// and files *.rego. What else there is has a flag, which an error names.
func (s *sources) add(cmd *cobra.Command, args []string) error {
	for _, arg := range args {
		info, err := os.Stat(arg) // loading reports a missing one
		if err == nil && !info.IsDir() && filepath.Ext(arg) != ".rego" && !bundle.IsArchive(arg) {
			return fmt.Errorf("%q: want a directory or a file of policies (*.rego); use --access for a table, --policies for data and --input for a document: %s", arg, cmd.UseLine())
		}
	}
	s.config.Sources = append(s.config.Sources, args...)
	return nil
}

// check returns an error unless something is named, and named well.
func (s *sources) check() error {
	if len(s.config.Sources)+len(s.config.Access) == 0 {
		return errors.New("no policies: name a directory or a file of policies, --access <file>, or both")
	}
	return s.config.Check()
}

// open loads the policies. Their warnings go to standard error. The caller that opens
// them closes them.
func (s *sources) open(cmd *cobra.Command) (*policy.Engine, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return policy.Open(s.config, testrun.Checker(), func(r policy.Report) {
		for _, warning := range r.Warnings {
			fmt.Fprintf(cmd.ErrOrStderr(), "Warning: %s\n", warning)
		}
	})
}

// addInput adds the flag that names an input document.
func addInput(cmd *cobra.Command) *string {
	return cmd.Flags().String("input", "", "a JSON document to use as the input; - is standard input")
}

// addJSON adds the flag for results that programs read.
func addJSON(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("json", false, "write the result as JSON")
}

// addAddress adds the flag that names the admin API of a running server.
func addAddress(cmd *cobra.Command) *string {
	return cmd.Flags().String("address", "", "the admin API of the running server (localhost:2019)")
}

// completed makes a whole input of a part, as eval's help says; a document of
// opa-envoy-plugin stays as it is.
func (s *sources) completed(cmd *cobra.Command, document map[string]any) (map[string]any, error) {
	if s.config.OPAEnvoy {
		return document, nil
	}
	return testrun.Complete(cmd.Context(), document)
}

// maxInput is how many bytes an input document may have.
const maxInput = 16 << 20

// readInput reads an input document, a JSON object. Numbers stay as they are
// written.
func readInput(cmd *cobra.Command, name string) (map[string]any, error) {
	shown, content := name, cmd.InOrStdin()
	switch name {
	case "":
		return nil, errors.New("no input: use --input <file>, or --input - for standard input")
	case "-":
		shown = "standard input"
	default:
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		content = file
	}
	limited := &io.LimitedReader{R: content, N: maxInput + 1}
	document, err := decodeObject(limited)
	if limited.N <= 0 {
		err = fmt.Errorf("more than %d MiB", maxInput>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shown, err)
	}
	return document, nil
}

// decodeObject reads one JSON object and nothing else.
func decodeObject(r io.Reader) (map[string]any, error) {
	decoder := json.NewDecoder(r)
	decoder.UseNumber()
	var object map[string]any
	err := decoder.Decode(&object)
	switch _, more := decoder.Token(); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("the document is empty; want a JSON object")
	case err != nil:
		return nil, fmt.Errorf("want a JSON object: %w", err)
	case object == nil:
		return nil, errors.New("want a JSON object, not null")
	case !errors.Is(more, io.EOF):
		return nil, errors.New("there is more text after the JSON object; want one object")
	}
	return object, nil
}

// writeJSON writes a result for programs, indented.
func writeJSON(cmd *cobra.Command, value any) error {
	encoder := json.NewEncoder(cmd.OutOrStdout())
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// askServer asks the admin API of a running server; body nil is none. The caller that
// asks closes the response's body. Statuses of errors are errors.
func askServer(address, method, uri string, body io.Reader) (*http.Response, error) {
	return askServerWith(address, method, uri, nil, body)
}

// askServerWith is askServer with headers.
func askServerWith(address, method, uri string, headers http.Header, body io.Reader) (*http.Response, error) {
	address, err := caddycmd.DetermineAdminAPIAddress(address, nil, "", "")
	if err != nil {
		return nil, err
	}
	answer, err := caddycmd.AdminAPIRequest(address, method, uri, headers, body)
	if said, ok := saidBy(err); ok {
		return nil, errors.New(said)
	}
	if err != nil && !strings.HasPrefix(err.Error(), "caddy responded") {
		err = fmt.Errorf("no answer from the admin API at %s (%w): is Caddy running? If its admin API has another address, use --address", address, err)
	}
	return answer, err
}

// saidBy returns the text of an error of the admin API without what is around it.
func saidBy(err error) (string, bool) {
	if err == nil {
		return "", false
	}
	_, document, found := strings.Cut(err.Error(), ": {")
	if !found || !strings.HasPrefix(err.Error(), "caddy responded") {
		return "", false
	}
	var answer struct {
		Error string `json:"error"`
	}
	if json.Unmarshal([]byte("{"+document), &answer) != nil || answer.Error == "" {
		return "", false
	}
	return answer.Error, true
}
