package testrun

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/policyauth/caddy-policy-auth/internal/policy/builtins"
	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// completion is the query that Complete asks: what a part becomes, and what the
// schema says of it.
const completion = `whole := data.caddy.testing.complete(input.part); [_, problems] := json.match_schema(whole, input.schema)`

// Complete returns the whole input of which a part is given, as
// caddy.testing.complete does for tests: what is not given is as for GET / by an
// anonymous caller. What no server ever gives, such as a misspelt field, is an
// error.
func Complete(ctx context.Context, part map[string]any) (map[string]any, error) {
	own, err := bundle.Embedded()
	if err != nil {
		return nil, err
	}
	options := []func(*rego.Rego){
		rego.Query(completion), rego.StrictBuiltinErrors(true), rego.Capabilities(builtins.Capabilities(nil)),
		rego.Input(map[string]any{"part": part, "schema": request.Schema()}),
	}
	for _, module := range own {
		options = append(options, rego.ParsedModule(module.Copy()))
	}
	results, err := rego.New(options...).Eval(ctx)
	var failure ast.Errors
	switch {
	case errors.As(err, &failure):
		return nil, failure
	case err != nil || len(results) != 1:
		return nil, errors.New("input: not a part of an input: its sections are objects")
	}
	if problems, _ := results[0].Bindings["problems"].([]any); len(problems) > 0 {
		return nil, unfit(problems)
	}
	whole, _ := results[0].Bindings["whole"].(map[string]any)
	return whole, nil
}

// unfit says in which places a document does not match the schema of input.
func unfit(problems []any) error {
	schema := request.Schema()
	var all []error
	for _, problem := range problems {
		members, _ := problem.(map[string]any)
		place := "input"
		if field := fmt.Sprint(members["field"]); field != "(Root)" {
			place += "." + field
		}
		text := fmt.Sprintf("%s: %v", place, members["desc"])
		if members["type"] == "additional_property_not_allowed" {
			text += "; allowed: " + strings.Join(fieldsAt(schema, strings.Split(place, ".")[1:]), " ")
		}
		all = append(all, errors.New(text))
	}
	return bundle.JoinErrors(all)
}

// fieldsAt returns the names of the fields that a place in a schema has.
func fieldsAt(schema map[string]any, place []string) []string {
	properties, _ := schema["properties"].(map[string]any)
	for _, name := range place {
		below, _ := properties[name].(map[string]any)
		properties, _ = below["properties"].(map[string]any)
	}
	return slices.Sorted(maps.Keys(properties))
}
