package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/policyauth/caddy-policy-auth/internal/policy/builtins"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/lint"
)

// schemaName is the file of a source that says what its data is.
const schemaName = "schemas/data.json"

// schema is a JSON Schema (draft 7 or older) of an object. It never refers to
// another file.
type schema struct {
	path     string
	document map[string]any
	shape    *lint.Shape
}

// parseSchema reads a schema of what policies call by name.
func parseSchema(path string, content []byte, name string) (*schema, error) {
	document, err := decodeData(path, content)
	if err != nil {
		return nil, err
	}
	shape, err := lint.Parse(document, name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	case !shape.IsObject():
		return nil, fmt.Errorf("%s:1: want the schema of an object: \"type\": \"object\", with \"properties\"", path)
	}
	problems, err := askSchema(`json.verify_schema(input.schema, [false, problem]); problems := [{"field": "schema", "desc": problem}]`, document, ast.NewObject())
	if err = errors.Join(append(problems, err)...); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &schema{path: path, document: document, shape: shape}, nil
}

// askSchema asks one of OPA's own functions about a schema and a document, and
// returns the problems that it binds.
func askSchema(query string, schema map[string]any, document ast.Object) ([]error, error) {
	rules, err := ast.InterfaceToValue(schema)
	if err != nil {
		return nil, err
	}
	results, err := rego.New(
		rego.Query(query), rego.Capabilities(builtins.Capabilities(nil)), rego.StrictBuiltinErrors(true),
		rego.ParsedInput(ast.NewObject(
			member{ast.StringTerm("schema"), ast.NewTerm(rules)}, member{ast.StringTerm("document"), ast.NewTerm(document)},
		)),
	).Eval(context.Background())
	if err != nil || len(results) == 0 {
		return nil, err
	}
	list, _ := results[0].Bindings["problems"].([]any)
	var problems []error
	for _, item := range list {
		if problem, ok := item.(map[string]any); ok {
			problems = append(problems, fmt.Errorf("%v: %v", problem["field"], problem["desc"]))
		}
	}
	return problems, nil
}

// readSchema reads the schema of the source's data.
func (l *loader) readSchema(s *source, path string, content []byte) (err error) {
	s.schema, err = l.schemas.of(path, content, func() (*schema, error) { return parseSchema(path, content, "data") })
	return err
}

// checkData holds the data of a source to its schema, if it has one.
func (s *source) checkData() error {
	if s.schema == nil {
		return nil
	}
	problems, err := askSchema(`json.match_schema(input.document, input.schema, [false, problems])`, s.schema.document, s.data)
	if err != nil {
		return fmt.Errorf("%s: %w", s.schema.path, err)
	}
	for i, problem := range problems {
		problems[i] = fmt.Errorf("%s: data does not fit %s: %w", s.path, s.schema.path, problem)
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return joinBounded(problems)
}
