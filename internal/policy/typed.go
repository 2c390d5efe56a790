package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/lint"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// contract is the shape of input, whose claims are open.
var contract = sync.OnceValues(func() (*lint.Shape, error) { return lint.Parse(request.Schema(), "input") })

// inputShape returns the shape of input, with the claims that a schema describes.
func inputShape(config Config, tree files.Tree) (*lint.Shape, error) {
	shape, err := contract()
	if err != nil || config.ClaimsSchema == "" {
		return shape, err
	}
	claims, err := parseSchema(config.ClaimsSchema, tree[config.ClaimsSchema], "input.identity.claims")
	if err != nil {
		return nil, fmt.Errorf("claims_schema: %w", err)
	}
	return shape.Place(claims.shape, "identity", "claims"), nil
}

// judge holds the modules that the decision reaches to what input and data are,
// by OPA's type checker and by our own lints. It returns what is worth a
// warning; what can only be a mistake is an error.
func (m *material) judge(compiler *ast.Compiler, decision ast.Ref, input *lint.Shape) ([]string, error) {
	judged := reached(compiler, decision)
	var problems []error
	var warnings []string
	wrong := map[string]bool{} // places with a finding
	for _, finding := range lint.Run(lint.Config{Compiler: compiler, Files: judged, Input: input, Data: m.shape}) {
		if finding.Severity == lint.Warning {
			warnings = append(warnings, finding.String())
			continue
		}
		wrong[lineOf(finding.Location)] = true
		problems = append(problems, errors.New(finding.String()))
	}
	for _, mistake := range m.mistyped(compiler, input) {
		if judged[mistake.Location.File] && !wrong[lineOf(mistake.Location)] {
			problems = append(problems, mistake)
		}
	}
	return warnings, joinBounded(problems)
}

// mistyped returns what OPA's type checker says of all modules, knowing what
// input is. They were compiled before without, so that modules for somebody
// else's input may be there too.
func (m *material) mistyped(compiler *ast.Compiler, input *lint.Shape) ast.Errors {
	schemas := ast.NewSchemaSet()
	schemas.Put(ast.SchemaRootRef, input.Schema())
	typed := ast.NewCompiler().WithCapabilities(compiler.Capabilities()).WithSchemas(schemas).SetErrorLimit(0).WithOnlyStagesUpTo(ast.StageCheckTypes)
	typed.Compile(m.modules)
	return slices.DeleteFunc(typed.Errors, func(e *ast.Error) bool { return e.Location == nil })
}

func lineOf(l *ast.Location) string { return fmt.Sprintf("%s:%d", l.File, l.Row) }

// reached returns the files of the modules that evaluating the decision may
// reach, without those that are built in. What is only asked with another
// input has to do with that one.
func reached(compiler *ast.Compiler, decision ast.Ref) map[string]bool {
	found := map[string]bool{}
	seen := map[*ast.Rule]bool{}
	var visitor *ast.GenericVisitor
	follow := func(rules []*ast.Rule) {
		for _, rule := range rules {
			if seen[rule] {
				continue
			}
			seen[rule] = true
			if file := rule.Location.File; !strings.HasPrefix(file, embeddedPrefix) {
				found[file] = true
			}
			visitor.Walk(rule)
		}
	}
	visitor = ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.Expr:
			if lint.ReplacesInput(x) {
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
