package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// TestInputAgain: an input that a decision holds parts of stays as it was, whatever
// is evaluated afterwards.
func TestInputAgain(t *testing.T) {
	for name, rules := range map[string]string{
		"all of it": "allow := {\"allow\": true, \"dynamic_metadata\": input.request}",
		"in a list": "allow := {\"allow\": true, \"reasons\": [input.request.path]}",
		"its paths": "allow := {\"allow\": true, \"reasons\": input.request.segments}",
	} {
		t.Run(name, func(t *testing.T) {
			set := policyOf(t, "package caddy.authz\n\n"+rules+"\n")
			before := set.Decide(t.Context(), asked("/first", "admin"))
			want := before.Value.String()
			if !strings.Contains(want, "first") {
				t.Fatal(want)
			}
			for i := range 3 {
				set.Decide(t.Context(), asked(fmt.Sprintf("/other/%d", i), "admin"))
			}
			if got := before.Value.String(); got != want {
				t.Errorf("it has become %s", got)
			}
		})
	}
}

// TestInputEmptied: what is kept between two evaluations holds nothing of a request,
// also if one fails.
func TestInputEmptied(t *testing.T) {
	for name, rules := range map[string]string{
		"a decision": "allow if {\n\tinput.request.path == \"/\"\n\tinput.request.headers.a == input.request.segments[0]\n}",
		"an error":   "allow if to_number(input.request.path) > count(input.request.query) + count(input.request.headers.a)",
	} {
		t.Run(name, func(t *testing.T) {
			set := policyOf(t, "package caddy.authz\n\n"+rules+"\n")
			current := set.live.Load()
			run := current.evaluator.begin()
			in := withHeaders(asked("/", ""), "A", "a secret")
			document := in.Request.Document(in.Request.Readings()[0], in.Identity, in.Failure, in.Config.values, current.projection.parts)
			document.Request.Path, document.Request.Segments = "/secret", []string{"secret"}
			input := run.project(current.projection, &document, in.Config.term, nil)
			if !strings.Contains(input.String(), "a secret") {
				t.Fatal(input)
			}
			decision := current.evaluate(t.Context(), run, input, current.span(set.config.Timeout))
			if failed := decision.Err != nil && decision.Value == nil && name == "an error"; failed != (name == "an error") {
				t.Fatal(decision)
			}
			kept := fmt.Sprint(run.input, run.source, run.limit, run.value, run.metadata)
			if strings.Contains(kept, "secret") || run.results.nodes[0] != (result{}) || len(run.results.children) > 0 {
				t.Errorf("kept: %s", kept)
			}
		})
	}
}

// TestHoldsParts: what a value may hold parts of another in, and what not.
func TestHoldsParts(t *testing.T) {
	for text, want := range map[string]bool{`true`: false, `"a"`: false, `1`: false, `null`: false, `[]`: true, `{}`: true, `{1}`: true} {
		if got := holdsParts(ast.MustParseTerm(text).Value); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if holdsParts(nil) {
		t.Error("undefined")
	}
}
