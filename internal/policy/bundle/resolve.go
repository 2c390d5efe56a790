package bundle

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/policyauth/caddy-policy-auth/internal/textutil"
)

// EnvoyDecision is the rule that opa-envoy-plugin evaluates.
const EnvoyDecision = "data.envoy.authz.allow"

// resolve returns the reference of the rule that decides. It must be a rule
// that can have a value fit for a decision; and where there is an access table
// beside policies, the rule must ask it, directly or not: a table that no rule
// asks would be a false comfort.
func resolve(compiler *ast.Compiler, options Options) (ast.Ref, error) {
	ref, name := Ref(options.Decision), strings.TrimPrefix(options.Decision, "data.")
	rules := compiler.GetRulesWithPrefix(ref)
	switch {
	case isPackage(compiler, ref):
		return nil, fmt.Errorf("%s is a package and not a rule; rules there: %s; name one with decision", name, listed(ruleNames(compiler, ref)))
	case len(rules) == 0 && !options.OPAEnvoy && len(compiler.GetRulesWithPrefix(Ref(EnvoyDecision))) > 0:
		return nil, fmt.Errorf("no rule %s in %s, but there is %s, which is opa-envoy-plugin's: write opa_envoy in the policies block, or name another rule with decision",
			name, strings.Join(options.Sources, ", "), strings.TrimPrefix(EnvoyDecision, "data."))
	case len(rules) == 0:
		pkg := ref[:len(ref)-1]
		return nil, fmt.Errorf("no rule %s in %s; packages there: %s; rules in %s: %s; %sname another one with decision",
			name, strings.Join(options.Sources, ", "), packageNames(compiler),
			strings.TrimPrefix(pkg.String(), "data."), listed(ruleNames(compiler, pkg)), renaming(ref, ruleNames(compiler, pkg)))
	}
	for _, rule := range rules {
		if err := decides(rule, ref); err != nil {
			return nil, fmt.Errorf("%s: the rule %s %w", rule.Location, name, err)
		}
	}
	if len(options.Access) > 0 && !asksTable(compiler, rules) {
		return nil, fmt.Errorf("the access table %s would be ignored, since %s does not ask it: write allow if data.caddy.access.allow, or remove the access line",
			strings.Join(options.Access, ", "), options.Decision)
	}
	return ref, nil
}

// decides returns an error for a rule that could never allow.
func decides(rule *ast.Rule, ref ast.Ref) error {
	switch {
	case len(rule.Head.Args) > 0:
		return errors.New("is a function; a decision is a boolean or an object")
	case rule.Head.RuleKind() == ast.MultiValue && rule.Ref().Equal(ref):
		return errors.New("is a set; a decision is a boolean or an object")
	}
	return nil
}

// Ref returns the reference for a path such as data.caddy.authz.allow.
func Ref(path string) ast.Ref {
	names := strings.Split(path, ".")
	ref := ast.Ref{ast.DefaultRootDocument}
	for _, name := range names[1:] {
		ref = append(ref, ast.StringTerm(name))
	}
	return ref
}

// isPackage reports whether a reference names a package, or what holds some.
func isPackage(compiler *ast.Compiler, ref ast.Ref) bool {
	for _, module := range compiler.Modules {
		if module.Package.Path.HasPrefix(ref) {
			return true
		}
	}
	return false
}

// packageNames lists the packages that are not built in.
func packageNames(compiler *ast.Compiler) string {
	var names []string
	for file, module := range compiler.Modules {
		if !strings.HasPrefix(file, EmbeddedPrefix) {
			names = append(names, strings.TrimPrefix(module.Package.Path.String(), "data."))
		}
	}
	return listed(names)
}

// renaming returns a clause that suggests to rename a rule whose name is nearly that of
// the decision, or "".
func renaming(ref ast.Ref, names []string) string {
	name := strings.Trim(ref[len(ref)-1].String(), `"`)
	if near := textutil.Nearest(name, names); near != "" {
		return "rename " + near + " to " + name + ", or "
	}
	return ""
}

// ruleNames returns the names of the rules of a package.
func ruleNames(compiler *ast.Compiler, path ast.Ref) []string {
	var names []string
	for _, module := range compiler.Modules {
		if !module.Package.Path.Equal(path) {
			continue
		}
		for _, rule := range module.Rules {
			names = append(names, rule.Head.Ref().GroundPrefix().String())
		}
	}
	return names
}

// listed joins names, each once, or says that there are none.
func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// asksTable reports whether evaluating rules may evaluate a rule of caddy.access.
func asksTable(compiler *ast.Compiler, rules []*ast.Rule) bool {
	table := Ref("data.caddy.access")
	seen := map[util.T]bool{}
	var visit func(node util.T) bool
	visit = func(node util.T) bool {
		if seen[node] {
			return false
		}
		seen[node] = true
		if rule, ok := node.(*ast.Rule); ok && (rule.Ref().HasPrefix(table) || rule.Else != nil && visit(rule.Else)) {
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
