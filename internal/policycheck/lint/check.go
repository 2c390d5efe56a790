package lint

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/builtins"
	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// contract is the shape of input, with any claims.
var contract = sync.OnceValues(func() (*Shape, error) {
	shape, err := Parse(request.Schema(), "input")
	if err != nil {
		return nil, err
	}
	names := request.RedactedHeaders()
	return shape.Redact(names, "request", "headers").Redact(names, "request", "header_values"), nil
})

// inputShape returns the shape of input, with the claims that a schema describes.
func inputShape(t bundle.Schemas) (*Shape, error) {
	shape, err := contract()
	if err != nil || t.Claims == nil {
		return shape, err
	}
	claims, err := Parse(t.Claims.Document, "input.identity.claims")
	if err != nil {
		return nil, err
	}
	return shape.Place(claims, "identity", "claims"), nil
}

// dataShape returns the shape of the data by all schemas, or nil without schemas. Data of
// a source without a schema may have any form.
func dataShape(t bundle.Schemas) (*Shape, error) {
	var shape *Shape
	for _, s := range t.Data {
		next, err := Parse(s.Document, "data")
		if err != nil {
			return nil, err
		}
		if shape == nil {
			shape = next.Place(new(Shape), "caddy") // what is built in
		} else {
			shape = shape.Join(next)
		}
	}
	if shape != nil && t.Open {
		return shape.Open(), nil
	}
	return shape, nil
}

// Schema returns an error for a JSON Schema that the lints cannot read, or that is not
// the schema of an object. name is the value that it describes, such as data.
func Schema(path string, document map[string]any, name string) error {
	shape, err := Parse(document, name)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	case !shape.IsObject():
		return fmt.Errorf("%s:1: want the schema of an object: \"type\": \"object\", with \"properties\"", path)
	}
	return nil
}

// shapes returns the shapes of input and data that schemas describe.
func shapes(t bundle.Schemas) (input, data *Shape, err error) {
	if input, err = inputShape(t); err != nil {
		return nil, nil, err
	}
	data, err = dataShape(t)
	return input, data, err
}

// Policies checks the modules that the decision depends on against the shapes of input
// and data, by OPA's type checker and our own lints. It returns warnings; a certain
// mistake is an error.
func Policies(p *bundle.Program) ([]string, error) {
	input, data, err := shapes(p.Schemas)
	if err != nil {
		return nil, err
	}
	builtIn, err := bundle.BuiltInPackages()
	if err != nil {
		return nil, err
	}
	compiler, decision := p.Compiler, p.Decision
	judged := Reachable(compiler, decision)
	var problems []error
	var warnings []string
	wrong := map[string]bool{} // lines with a finding
	for _, finding := range Run(Config{Compiler: compiler, Files: judged, Input: input, Data: data, Decision: decision, Unknowns: unknowns(), BuiltIn: builtIn}) {
		if finding.Severity == Warning {
			warnings = append(warnings, finding.String())
			continue
		}
		wrong[lineOf(finding.Location)] = true
		problems = append(problems, errors.New(finding.String()))
	}
	for _, mistake := range mistyped(p, input, judged) {
		if !wrong[lineOf(mistake.Location)] {
			problems = append(problems, mistake)
		}
	}
	return warnings, bundle.JoinErrors(problems)
}

// unknowns are the fields of input that may be unknown.
func unknowns() []Unknowns {
	fields := authenticator.UnknownFields()
	for i, name := range fields {
		fields[i] = "identity." + name
	}
	return []Unknowns{{Fields: fields, Told: "identity.unknown"}, {Fields: []string{"client.ip"}, Told: "client.forwarded_untrusted"}}
}

// Tests checks tests against the shape of input, because a test with a misspelt field
// passes and proves nothing (T-74).
func Tests(b *bundle.Bundle) ([]Finding, error) {
	if len(b.Tests) == 0 || b.Options.OPAEnvoy {
		return nil, nil
	}
	modules := maps.Clone(b.Modules)
	maps.Copy(modules, b.Tests)
	compiler := ast.NewCompiler().WithCapabilities(builtins.Capabilities(b.Options.AllowBuiltins)).WithEnablePrintStatements(true).SetErrorLimit(bundle.MaxErrors)
	if compiler.Compile(modules); compiler.Failed() {
		return nil, bundle.JoinErrors([]error{builtins.ExplainGated(compiler.Errors)})
	}
	input, data, err := shapes(b.Schemas)
	if err != nil {
		return nil, err
	}
	checked := Reachable(compiler, bundle.Ref(b.Options.Decision))
	for file := range b.Tests {
		checked[file] = true
	}
	findings := Run(Config{Compiler: compiler, Files: checked, Input: input, Data: data})
	return slices.DeleteFunc(findings, func(f Finding) bool { return b.Tests[f.Location.File] == nil }), nil
}

// mistyped returns the errors of OPA's type checker for some files, by the schema of input.
// The first compilation had no schema, because there may be modules for the input of
// another program. Rules are compiled again only if a type check of the compiled rules
// finds errors: then the errors have the names of variables in the source.
func mistyped(p *bundle.Program, input *Shape, judged map[string]bool) ast.Errors {
	schemas := ast.NewSchemaSet()
	schemas.Put(ast.SchemaRootRef, input.Schema())
	elsewhere := func(e *ast.Error) bool { return e.Location == nil || !judged[e.Location.File] }
	sorted, _ := p.Compiler.Graph.Sort() // compiled rules have no recursion
	rules := make([]*ast.Rule, 0, len(sorted))
	for _, node := range sorted {
		if rule, ok := node.(*ast.Rule); ok {
			rules = append(rules, rule)
		}
	}
	quick := *p.Compiler
	quick.TypeEnv = nil
	if len(slices.DeleteFunc(quick.WithSchemas(schemas).PassesTypeCheckRules(rules), elsewhere)) == 0 {
		return nil
	}
	typed := ast.NewCompiler().WithCapabilities(p.Compiler.Capabilities()).WithSchemas(schemas).SetErrorLimit(0).WithOnlyStagesUpTo(ast.StageCheckTypes)
	typed.Compile(p.Compiled)
	return slices.DeleteFunc(typed.Errors, elsewhere)
}

func lineOf(l *ast.Location) string { return fmt.Sprintf("%s:%d", l.File, l.Row) }

// Reachable returns the files of the modules that a decision may evaluate, without built-in
// modules and without rules that are evaluated only with another input.
func Reachable(compiler *ast.Compiler, decision ast.Ref) map[string]bool {
	found := map[string]bool{}
	seen := map[*ast.Rule]bool{}
	var visitor *ast.GenericVisitor
	follow := func(rules []*ast.Rule) {
		for _, rule := range rules {
			if seen[rule] {
				continue
			}
			seen[rule] = true
			if file := rule.Location.File; !strings.HasPrefix(file, bundle.EmbeddedPrefix) {
				found[file] = true
			}
			visitor.Walk(rule)
		}
	}
	visitor = ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.Expr:
			if ReplacesInput(x) {
				for _, w := range x.With {
					visitor.Walk(w.Value)
				}
				return true
			}
		case ast.Ref:
			follow(compiler.GetRulesDynamicWithOpts(x, ast.RulesOptions{IncludeHiddenModules: true}))
		}
		return false
	})
	follow(compiler.GetRulesWithPrefix(decision))
	return found
}
