package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

// resolve returns the reference of the rule that decides. It must be a rule;
// and where there is an access table beside policies, the rule must ask it,
// directly or not: a table that nobody asks would be a false comfort.
func resolve(compiler *ast.Compiler, config Config) (ast.Ref, error) {
	ref := refOf(config.Decision)
	rules := compiler.GetRulesExact(ref)
	if len(rules) == 0 {
		return nil, fmt.Errorf("no rule %s in %s; packages there: %s; name another one with decision",
			strings.TrimPrefix(config.Decision, "data."), strings.Join(config.Sources, ", "), packages(compiler))
	}
	if len(config.Access) > 0 && !asksTable(compiler, rules) {
		return nil, fmt.Errorf("the access table %s would be ignored, since %s does not ask it: write allow if data.caddy.access.allow, or remove the access line",
			strings.Join(config.Access, ", "), config.Decision)
	}
	return ref, nil
}

// refOf turns a decision path, whose form was checked, into a reference.
func refOf(path string) ast.Ref {
	names := strings.Split(path, ".")
	ref := ast.Ref{ast.DefaultRootDocument}
	for _, name := range names[1:] {
		ref = append(ref, ast.StringTerm(name))
	}
	return ref
}

// packages lists the packages that are not built in.
func packages(compiler *ast.Compiler) string {
	var names []string
	for file, module := range compiler.Modules {
		if name := strings.TrimPrefix(module.Package.Path.String(), "data."); !strings.HasPrefix(file, "embedded/") && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// asksTable reports whether evaluating rules may evaluate a rule of caddy.access.
func asksTable(compiler *ast.Compiler, rules []*ast.Rule) bool {
	table := refOf("data.caddy.access")
	seen := map[util.T]bool{}
	var visit func(node util.T) bool
	visit = func(node util.T) bool {
		if seen[node] {
			return false
		}
		seen[node] = true
		if rule, ok := node.(*ast.Rule); ok && rule.Ref().HasPrefix(table) {
			return true
		}
		for next := range compiler.Graph.Dependencies(node) {
			if visit(next) {
				return true
			}
		}
		return false
	}
	return slices.ContainsFunc(rules, func(rule *ast.Rule) bool { return visit(rule) })
}
