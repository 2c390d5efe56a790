package counterexample

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// need is a condition on a field of input, with values that may make it hold or fail.
type need struct {
	path   []string // "[]" is a member of a list
	values []any
}

// plan has the needs of a request for which all conditions of a rule hold, and those that
// make one of its negations fail.
type plan struct {
	needs   []need
	against [][]need
}

// maxCalls is the maximum depth of rules that are followed.
const maxCalls = 8

// planner collects the values that rules compare input with.
type planner struct {
	compiler *ast.Compiler
	base     map[string]any
	plan     plan
	depth    int
	steps    int
}

// maxSteps is the maximum number of expressions that are read for a plan.
const maxSteps = 5000

// planOf returns the plan of a rule.
func planOf(compiler *ast.Compiler, rule *ast.Rule, base map[string]any) plan {
	p := &planner{compiler: compiler, base: base}
	p.body(rule.Body, env{})
	return p.plan
}

// operand is the known content of a term: a field of input or a constant.
type operand struct {
	path  []string
	input bool
	value any // of a constant
	known bool
}

// env has the values of variables.
type env map[ast.Var]operand

// body reads the conditions of a body.
func (p *planner) body(body ast.Body, vars env) {
	for _, e := range body {
		if p.steps++; p.steps > maxSteps {
			return
		}
		_, not := e.Terms.(*ast.Not)
		if not || e.Negated {
			p.negation(e, vars)
			continue
		}
		p.expr(e, vars)
	}
}

// negation collects needs that make a not fail, because its condition holds.
func (p *planner) negation(e *ast.Expr, vars env) {
	outer := p.plan
	p.plan = plan{}
	if not, ok := e.Terms.(*ast.Not); ok {
		p.body(not.Body, vars)
	} else {
		p.expr(e, vars)
	}
	inner := p.plan
	p.plan = outer
	if len(inner.needs) > 0 {
		p.plan.against = append(p.plan.against, inner.needs)
	}
	for _, needs := range inner.against { // two negations cancel each other
		p.plan.needs = append(p.plan.needs, needs...)
	}
}

// expr reads one condition.
func (p *planner) expr(e *ast.Expr, vars env) {
	switch terms := e.Terms.(type) {
	case *ast.Term:
		p.truth(terms, vars)
	case *ast.Every:
		p.every(terms, vars)
	case *ast.LogicalAnd:
		p.body(terms.Lhs, vars)
		p.body(terms.Rhs, vars)
	case *ast.LogicalOr:
		p.body(terms.Lhs, vars)
	case []*ast.Term:
		p.call(e, vars)
	}
}

// every treats the body as a condition on a member.
func (p *planner) every(e *ast.Every, vars env) {
	inner := cloned(vars)
	domain := p.operand(e.Domain, vars)
	if v, ok := e.Value.Value.(ast.Var); ok && domain.input {
		inner[v] = domain.member("[]")
	}
	p.body(e.Body, inner)
}

// truth reads a term that must be defined and not false.
func (p *planner) truth(t *ast.Term, vars env) {
	if o := p.operand(t, vars); o.input {
		p.want(o, p.some(o.path)...)
		return
	}
	if ref, ok := t.Value.(ast.Ref); ok {
		p.follow(ref, nil, vars)
	}
}

// want adds a need.
func (p *planner) want(o operand, values ...any) {
	if len(values) > 0 && len(o.path) > 1 {
		p.plan.needs = append(p.plan.needs, need{path: o.path, values: values})
	}
}

// some returns a value of the type of a field that is not false.
func (p *planner) some(path []string) []any {
	if slices.Contains(path, "[]") {
		return []any{"x"}
	}
	known, _ := at(p.base, path)
	switch known.(type) {
	case string:
		return []any{"x"}
	case []any:
		return []any{[]any{"x"}}
	case map[string]any:
		return []any{map[string]any{"x": "x"}}
	}
	if len(path) < 3 {
		return []any{true}
	}
	switch path[len(path)-2] {
	case "headers":
		return []any{"x"}
	case "header_values", "query", "parsed_query":
		return []any{[]any{"x"}}
	}
	return []any{true}
}

// follow reads the first definition of the rule or function that a reference or a call
// names, and returns its value. Other definitions have plans of their own.
func (p *planner) follow(ref ast.Ref, args []*ast.Term, vars env) operand {
	rules := p.compiler.GetRulesExact(ref.GroundPrefix())
	if len(rules) == 0 || p.depth >= maxCalls {
		return operand{}
	}
	p.depth++
	defer func() { p.depth-- }()
	rule := rules[0]
	inner := env{}
	for i, parameter := range rule.Head.Args {
		if v, ok := parameter.Value.(ast.Var); ok && i < len(args) {
			inner[v] = p.operand(args[i], vars)
		}
	}
	p.body(rule.Body, inner)
	if rule.Head.Value == nil {
		return operand{}
	}
	return p.operand(rule.Head.Value, inner)
}

// operand returns the known content of a term.
func (p *planner) operand(t *ast.Term, vars env) operand {
	switch v := t.Value.(type) {
	case ast.Var:
		if v.Equal(ast.InputRootDocument.Value) {
			return operand{input: true}
		}
		return vars[v]
	case ast.Ref:
		return p.place(v, vars)
	case *ast.Array:
		return p.list(v, vars)
	}
	if ast.IsConstant(t.Value) {
		value, err := ast.JSON(t.Value)
		return operand{value: value, known: err == nil}
	}
	return operand{}
}

// list returns the constants of a list.
func (p *planner) list(array *ast.Array, vars env) operand {
	values := []any{}
	for i := range array.Len() {
		o := p.operand(array.Elem(i), vars)
		if !o.known {
			return operand{}
		}
		values = append(values, o.value)
	}
	return operand{value: values, known: true}
}

// place returns the field of input that a reference names, or the constant value of a rule
// without conditions.
func (p *planner) place(ref ast.Ref, vars env) operand {
	head, ok := ref[0].Value.(ast.Var)
	if !ok {
		return operand{}
	}
	if head.Equal(ast.DefaultRootDocument.Value) {
		rules := p.compiler.GetRulesExact(ref)
		if len(rules) != 1 || rules[0].Head.Value == nil || rules[0].Head.Key != nil {
			return operand{}
		}
		value := rules[0].Head.Value
		if !ast.IsConstant(value.Value) {
			return operand{}
		}
		return p.operand(value, nil)
	}
	o := p.operand(ref[0], vars)
	if !o.input {
		return operand{}
	}
	for _, key := range ref[1:] {
		o = o.member(keyOf(key, p, vars))
	}
	return o
}

// keyOf returns the name of a member, or "[]" for any.
func keyOf(key *ast.Term, p *planner, vars env) string {
	if name, ok := p.operand(key, vars).value.(string); ok {
		return name
	}
	return "[]"
}

// member returns the path of a member.
func (o operand) member(name string) operand {
	return operand{input: true, path: append(slices.Clone(o.path), name)}
}

func cloned(vars env) env {
	inner := env{}
	maps.Copy(inner, vars)
	return inner
}
