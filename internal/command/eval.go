package command

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
)

// newEval makes caddy policy-auth eval.
func newEval() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "eval [<source>...] --input <file> [--policies <source>]... [--access <file>]... [--json]",
		Short: "Evaluates the decision for an input document",
		Long: `
Evaluates the decision for an input document and prints its value and meaning. The
exit status is 0 if the request is allowed and 1 if it is denied.

The document may be a part of an input: missing parts are those of GET / by an
anonymous caller, and a caller with an id is authenticated. A field that the server
never sends is an error. With --opa-envoy, the document is used as it is.`,
		Example: `  caddy policy-auth eval policies --input input.json
  echo '{"request": {"path": "/admin"}, "identity": {"id": "bob", "roles": ["member"]}}' | caddy policy-auth eval --access access.yaml --input - --json`,
	}
	from, input, asJSON := addSources(cmd), addInput(cmd), addJSON(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, args []string) (bool, error) {
		if err := from.add(cmd, args); err != nil {
			return false, err
		}
		answer, err := evaluate(cmd, from, *input)
		if err != nil {
			return false, err
		}
		if *asJSON {
			err = writeJSON(cmd, answer)
		} else {
			err = answer.write(cmd.OutOrStdout())
		}
		if err == nil && answer.failed() {
			err = fmt.Errorf("%s: %s", answer.Reason, answer.Error)
		}
		return answer.Allow, err
	})
	return cmd
}

// evaluate asks the policies about a document.
func evaluate(cmd *cobra.Command, from *sources, input string) (*evaluated, error) {
	set, err := from.open(cmd)
	if err != nil {
		return nil, err
	}
	defer set.Close()
	document, err := readInput(cmd, input)
	if err != nil {
		return nil, err
	}
	if document, err = from.completed(cmd, document); err != nil {
		return nil, err
	}
	value, decision, err := set.Eval(cmd.Context(), document)
	if err != nil {
		return nil, err
	}
	return newEvaluated(value, decision), nil
}

// evaluated is a decision as eval --json shows it.
type evaluated struct {
	Value                 any                  `json:"value,omitempty"`
	Allow                 bool                 `json:"allow"`
	Reason                authenticator.Reason `json:"reason,omitempty"`
	Codes                 []string             `json:"codes,omitempty"`
	Message               string               `json:"message,omitempty"`
	Remediation           string               `json:"remediation,omitempty"`
	Status                int                  `json:"status,omitempty"`
	Scopes                []string             `json:"scopes,omitempty"`
	Redirect              string               `json:"redirect,omitempty"`
	Headers               http.Header          `json:"headers,omitempty"`
	HeadersToRemove       []string             `json:"request_headers_to_remove,omitempty"`
	ResponseHeaders       http.Header          `json:"response_headers_to_add,omitempty"`
	QueryParametersToSet  map[string][]string  `json:"query_parameters_to_set,omitempty"`
	QueryParametersRemove []string             `json:"query_parameters_to_remove,omitempty"`
	Labels                map[string]string    `json:"labels,omitempty"`
	Error                 string               `json:"error,omitempty"`
}

func newEvaluated(value any, d decision.Decision) *evaluated {
	e := &evaluated{
		Value: value, Allow: d.Allow, Reason: d.Reason, Codes: d.Codes, Message: d.Message, Remediation: d.Remediation, Status: d.Status,
		Headers: d.Headers, HeadersToRemove: d.RequestHeadersToRemove, ResponseHeaders: d.ResponseHeadersToAdd,
		QueryParametersToSet: d.QueryToSet, QueryParametersRemove: d.QueryToRemove, Labels: d.Labels,
	}
	if d.Challenge != nil {
		e.Scopes = d.Challenge.Scopes
	}
	if d.Redirect != nil {
		e.Redirect = d.Redirect.To
	}
	if d.Err != nil {
		e.Error = d.Err.Error()
	}
	return e
}

// failed reports whether there is no answer, since the policy failed.
func (e *evaluated) failed() bool {
	return slices.Contains([]authenticator.Reason{authenticator.ReasonPolicyError, authenticator.ReasonPolicyTimeout}, e.Reason)
}

// write writes the value and what it comes to, for people.
func (e *evaluated) write(out io.Writer) error {
	value := []byte("undefined")
	if e.Value != nil {
		var err error
		if value, err = json.MarshalIndent(e.Value, "", "  "); err != nil {
			return err
		}
	}
	verdict := "allowed"
	if !e.Allow {
		verdict = strings.Join(append([]string{"denied: " + cmp.Or(string(e.Reason), "policy_denied")}, e.Codes...), ", ")
	}
	lines := []string{"value: " + string(value), verdict}
	for _, line := range []struct{ name, text string }{
		{"why", e.Error}, {"message", e.Message}, {"remediation", e.Remediation}, {"scopes", strings.Join(e.Scopes, " ")}, {"redirect", e.Redirect},
	} {
		if line.text != "" {
			lines = append(lines, line.name+": "+line.text)
		}
	}
	if e.Status != 0 {
		lines = append(lines, fmt.Sprintf("status: %d", e.Status))
	}
	_, err := fmt.Fprintln(out, strings.Join(lines, "\n"))
	return err
}
