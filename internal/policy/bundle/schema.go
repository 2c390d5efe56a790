package bundle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/policy/builtins"
)

// schemaName is the file of a source that says what its data is.
const schemaName = "schemas/data.json"

// Schema is a JSON Schema (draft 7 or older) of an object. It never refers to another
// file.
type Schema struct {
	// Path is its file.
	Path string
	// Document is the decoded schema.
	Document map[string]any
}

// parseSchema reads the schema of what policies call by name.
func (l *Loader) parseSchema(path string, content []byte, name string) (*Schema, error) {
	document, err := DecodeData(path, content)
	if err != nil {
		return nil, err
	}
	if l.checker.Schema != nil {
		if err := l.checker.Schema(path, document, name); err != nil {
			return nil, err
		}
	}
	problems, err := askSchema(`json.verify_schema(input.schema, [false, problem]); problems := [{"field": "schema", "desc": problem}]`, document, ast.NewObject())
	if err = errors.Join(append(problems, err)...); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Schema{path, document}, nil
}

// Schemas are the schemas of claims and data. Equal ones check policies in the same way.
type Schemas struct {
	// Claims is the schema of input.identity.claims, nil if they may be anything.
	Claims *Schema
	// Data are the schemas of the sources that have one.
	Data []*Schema
	// Open says that some data has no schema.
	Open bool
}

// add adds the schema of a source's data.
func (t *Schemas) add(s *source) {
	if s.schema != nil {
		t.Data = append(t.Data, s.schema)
	} else {
		t.Open = t.Open || s.data.Len() > 0
	}
}

func (t Schemas) equal(other Schemas) bool {
	return t.Claims == other.Claims && slices.Equal(t.Data, other.Data) && t.Open == other.Open
}

// readClaims reads the schema of claims, if there is one.
func (l *Loader) readClaims(b *Bundle, tree files.Tree) (err error) {
	path := l.options.ClaimsSchema
	if path == "" {
		return nil
	}
	b.Schemas.Claims, err = l.claims.of(path, tree[path], func() (*Schema, error) { return l.parseSchema(path, tree[path], "input.identity.claims") })
	if err != nil {
		return fmt.Errorf("claims_schema: %w", err)
	}
	return nil
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
			ast.Item(ast.StringTerm("schema"), ast.NewTerm(rules)), ast.Item(ast.StringTerm("document"), ast.NewTerm(document)),
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
func (l *Loader) readSchema(s *source, path string, content []byte) (err error) {
	s.schema, err = l.schemas.of(path, content, func() (*Schema, error) { return l.parseSchema(path, content, "data") })
	return err
}

// checkData holds the data of a source to its schema, if it has one.
func (s *source) checkData() error {
	if s.schema == nil {
		return nil
	}
	problems, err := askSchema(`json.match_schema(input.document, input.schema, [false, problems])`, s.schema.Document, s.data)
	if err != nil {
		return fmt.Errorf("%s: %w", s.schema.Path, err)
	}
	for i, problem := range problems {
		problems[i] = fmt.Errorf("%s: data does not fit %s: %w", s.path, s.schema.Path, problem)
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return JoinErrors(problems)
}
