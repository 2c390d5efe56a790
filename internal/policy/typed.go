package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/policy/builtins"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/lint"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// contract is the shape of input, whose claims are open.
var contract = sync.OnceValues(func() (*lint.Shape, error) {
	shape, err := lint.Parse(request.Schema(), "input")
	if err != nil {
		return nil, err
	}
	names := request.RedactedHeaders()
	return shape.Redact(names, "request", "headers").Redact(names, "request", "header_values"), nil
})

// typing is what the schemas of a load say. Equal ones hold policies to the same.
type typing struct {
	claims *schema   // nil if claims may be anything
	data   []*schema // of the sources that have one
	open   bool      // some data comes without a schema
}

// add adds what a source says of its data.
func (t *typing) add(s *source) {
	if s.schema != nil {
		t.data = append(t.data, s.schema)
	} else {
		t.open = t.open || s.data.Len() > 0
	}
}

func (t typing) equal(other typing) bool {
	return t.claims == other.claims && slices.Equal(t.data, other.data) && t.open == other.open
}

// inputShape returns the shape of input, with the claims that a schema describes.
func (t typing) inputShape() (*lint.Shape, error) {
	shape, err := contract()
	if err != nil || t.claims == nil {
		return shape, err
	}
	return shape.Place(t.claims.shape, "identity", "claims"), nil
}

// dataShape returns what the schemas say of the data together, nil if none says
// anything. What comes without a schema may be anything.
func (t typing) dataShape() *lint.Shape {
	var shape *lint.Shape
	for _, s := range t.data {
		if shape == nil {
			shape = s.shape.Place(new(lint.Shape), "caddy") // what is built in
		} else {
			shape = shape.Join(s.shape)
		}
	}
	if shape != nil && t.open {
		return shape.Open()
	}
	return shape
}

// readClaims reads the schema of claims, if there is one.
func (l *loader) readClaims(m *material, tree files.Tree) (err error) {
	path := l.config.ClaimsSchema
	if path == "" {
		return nil
	}
	m.typing.claims, err = l.claims.of(path, tree[path], func() (*schema, error) { return parseSchema(path, tree[path], "input.identity.claims") })
	if err != nil {
		return fmt.Errorf("claims_schema: %w", err)
	}
	return nil
}

// judge holds the modules that the decision reaches to what input and data are,
// by OPA's type checker and by our own lints. It returns what is worth a
// warning; what can only be a mistake is an error.
func (m *material) judge(p *program) ([]string, error) {
	compiler, decision := p.compiler, p.decision
	input, err := m.typing.inputShape()
	if err != nil {
		return nil, err
	}
	judged := reached(compiler, decision)
	var problems []error
	var warnings []string
	wrong := map[string]bool{} // places with a finding
	for _, finding := range lint.Run(lint.Config{Compiler: compiler, Files: judged, Input: input, Data: m.typing.dataShape(), Decision: decision, Unknowns: unknowns()}) {
		if finding.Severity == lint.Warning {
			warnings = append(warnings, finding.String())
			continue
		}
		wrong[lineOf(finding.Location)] = true
		problems = append(problems, errors.New(finding.String()))
	}
	for _, mistake := range p.mistyped(input, judged) {
		if !wrong[lineOf(mistake.Location)] {
			problems = append(problems, mistake)
		}
	}
	return warnings, joinBounded(problems)
}

// unknowns are what of input a server may not be able to tell.
func unknowns() []lint.Unknowns {
	fields := authenticator.UnknownFields()
	for i, name := range fields {
		fields[i] = "identity." + name
	}
	return []lint.Unknowns{{Fields: fields, Told: "identity.unknown"}, {Fields: []string{"client.ip"}, Told: "client.forwarded_untrusted"}}
}

// judgeTests holds the tests to what input is: one that asks with a misspelt
// field would pass and show nothing (T-74).
func (m *material) judgeTests(config Config) ([]lint.Finding, error) {
	if len(m.tests) == 0 || config.OPAEnvoy {
		return nil, nil
	}
	modules := maps.Clone(m.modules)
	maps.Copy(modules, m.tests)
	compiler := ast.NewCompiler().WithCapabilities(builtins.Capabilities(config.AllowBuiltins)).WithEnablePrintStatements(true).SetErrorLimit(maxErrors)
	if compiler.Compile(modules); compiler.Failed() {
		return nil, joinBounded([]error{builtins.ExplainGated(compiler.Errors)})
	}
	input, err := m.typing.inputShape()
	if err != nil {
		return nil, err
	}
	judged := reached(compiler, refOf(config.Decision))
	for file := range m.tests {
		judged[file] = true
	}
	findings := lint.Run(lint.Config{Compiler: compiler, Files: judged, Input: input, Data: m.typing.dataShape()})
	return slices.DeleteFunc(findings, func(f lint.Finding) bool { return m.tests[f.Location.File] == nil }), nil
}

// mistyped returns what OPA's type checker says of some files, knowing what input is.
// They were compiled before without, so that modules for another program's input may
// be there too. Only rules that do not pass the type checker as they are compiled are
// compiled once more: the errors then name variables as the policy does.
func (p *program) mistyped(input *lint.Shape, judged map[string]bool) ast.Errors {
	schemas := ast.NewSchemaSet()
	schemas.Put(ast.SchemaRootRef, input.Schema())
	elsewhere := func(e *ast.Error) bool { return e.Location == nil || !judged[e.Location.File] }
	sorted, _ := p.compiler.Graph.Sort() // there is no recursion, or it had not compiled
	rules := make([]*ast.Rule, 0, len(sorted))
	for _, node := range sorted {
		if rule, ok := node.(*ast.Rule); ok {
			rules = append(rules, rule)
		}
	}
	quick := *p.compiler
	quick.TypeEnv = nil
	if len(slices.DeleteFunc(quick.WithSchemas(schemas).PassesTypeCheckRules(rules), elsewhere)) == 0 {
		return nil
	}
	typed := ast.NewCompiler().WithCapabilities(p.compiler.Capabilities()).WithSchemas(schemas).SetErrorLimit(0).WithOnlyStagesUpTo(ast.StageCheckTypes)
	typed.Compile(p.compiled)
	return slices.DeleteFunc(typed.Errors, elsewhere)
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
