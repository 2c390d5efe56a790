package counterexample

import (
	"encoding/json"
	"net/netip"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Two times that most policies treat differently.
const (
	longAgo = "1900-01-01T00:00:00Z"
	farOff  = "2199-01-01T00:00:00Z"
)

// call reads a condition that calls a function.
func (p *planner) call(e *ast.Expr, vars env) {
	operands := e.Operands()
	name := e.Operator().String()
	at := func(i int) operand {
		if i >= len(operands) {
			return operand{}
		}
		return p.operand(operands[i], vars)
	}
	switch name {
	case ast.Equality.Name, ast.Equal.Name:
		p.equal(operands, vars)
	case ast.NotEqual.Name:
		p.compare(at(0), at(1), func(value any) []any { return []any{other(value), value} })
	case ast.LessThan.Name, ast.LessThanEq.Name, ast.GreaterThan.Name, ast.GreaterThanEq.Name:
		p.compare(at(0), at(1), around)
	case ast.Member.Name:
		p.among(at(0), at(1))
	case ast.MemberWithKey.Name:
		p.among(at(1), at(2))
	case ast.StartsWith.Name, ast.EndsWith.Name, ast.Contains.Name:
		p.compare(at(0), at(1), func(value any) []any { return []any{value} })
	case ast.GlobMatch.Name:
		p.compare(at(2), at(0), literal)
	case ast.NetCIDRContains.Name, ast.NetCIDRContainsMatches.Name:
		p.compare(at(1), at(0), addresses)
	case "time.parse_rfc3339_ns":
		p.wantIfInput(at(0), longAgo, farOff)
	case ast.ParseDurationNanos.Name:
		p.wantIfInput(at(0), "1h")
	case ast.ToNumber.Name:
		p.wantIfInput(at(0), "1")
	case under:
		p.compare(operand{input: true, path: []string{"request", "path"}}, at(0), below)
	}
	if out := p.result(e, name, vars); len(operands) > 0 {
		p.bind(operands[len(operands)-1], out, vars)
	}
}

// under is the helper that compares paths by segments.
const under = "data.caddy.helpers.under"

// below returns a path below a prefix.
func below(value any) []any {
	prefix, _ := value.(string)
	return []any{strings.TrimSuffix(prefix, "/*")}
}

// wantIfInput adds a need if an operand is a field of input.
func (p *planner) wantIfInput(o operand, values ...any) {
	if o.input {
		p.want(o, values...)
	}
}

// result returns the known result of a call: functions that change little return their
// argument.
func (p *planner) result(e *ast.Expr, name string, vars env) operand {
	operands := e.Operands()
	switch name {
	case ast.Lower.Name, ast.Upper.Name, ast.TrimSpace.Name, ast.Trim.Name, ast.TrimPrefix.Name, ast.TrimSuffix.Name, ast.ToNumber.Name:
		return p.operand(operands[0], vars)
	case ast.ObjectGet.Name:
		return p.got(operands, vars)
	case ast.Equality.Name:
		return operand{}
	}
	if ast.BuiltinMap[name] == nil {
		return p.follow(e.Operator(), operands, vars)
	}
	return operand{}
}

// got returns the field that object.get reads.
func (p *planner) got(operands []*ast.Term, vars env) operand {
	o := p.operand(operands[0], vars)
	key := p.operand(operands[1], vars)
	names, ok := key.value.([]any)
	if !ok {
		names = []any{key.value}
	}
	for _, name := range names {
		text, ok := name.(string)
		if !ok || !o.input {
			return operand{}
		}
		o = o.member(text)
	}
	return o
}

// bind binds a variable that has no value yet.
func (p *planner) bind(t *ast.Term, o operand, vars env) bool {
	v, ok := t.Value.(ast.Var)
	if _, bound := vars[v]; !ok || bound || !o.input && !o.known {
		return false
	}
	vars[v] = o
	return true
}

// equal reads an equality, which may bind a variable.
func (p *planner) equal(operands []*ast.Term, vars env) {
	if len(operands) < 2 {
		return
	}
	a, b := p.operand(operands[0], vars), p.operand(operands[1], vars)
	if p.bind(operands[0], b, vars) || p.bind(operands[1], a, vars) {
		return
	}
	p.compare(a, b, func(value any) []any { return []any{value, other(value)} })
	for _, t := range operands[:2] {
		if ref, ok := t.Value.(ast.Ref); ok && ref.HasPrefix(ast.DefaultRootRef) {
			p.follow(ref, nil, vars)
		}
	}
}

// compare adds a need if one side is a field of input, with values that the constant on the
// other side suggests.
func (p *planner) compare(a, b operand, suggest func(any) []any) {
	switch {
	case a.input && b.known:
		p.want(a, suggest(b.value)...)
	case b.input && a.known:
		p.want(b, suggest(a.value)...)
	}
}

// among reads a membership test (in).
func (p *planner) among(v, collection operand) {
	switch {
	case collection.input && v.known:
		p.want(collection.member("[]"), v.value)
	case collection.input && v.input: // the client controls both
	case collection.known && v.input:
		if list, ok := collection.value.([]any); ok {
			p.want(v, list...)
		}
	}
}

// other returns another value than a given one.
func other(value any) any {
	switch value := value.(type) {
	case string:
		return value + "x"
	case bool:
		return !value
	case json.Number:
		return json.Number("1" + value.String())
	}
	return "x"
}

// around returns a smaller and a larger value than a number or a text.
func around(value any) []any {
	switch value := value.(type) {
	case json.Number:
		number, err := value.Int64()
		if err == nil {
			return []any{number - 1, number + 1}
		}
	case string:
		return []any{"", value + "x"}
	}
	return []any{value}
}

// literal returns a text that a glob matches.
func literal(value any) []any {
	pattern, ok := value.(string)
	if !ok {
		return nil
	}
	return []any{strings.NewReplacer("**", "x", "*", "x", "?", "x").Replace(pattern)}
}

// addresses returns an address in each of several networks.
func addresses(value any) []any {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	var found []any
	for _, item := range list {
		text, _ := item.(string)
		if prefix, err := netip.ParsePrefix(text); err == nil {
			found = append(found, prefix.Masked().Addr().Next().String())
		}
	}
	return found
}
