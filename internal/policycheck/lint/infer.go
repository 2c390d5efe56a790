package lint

import "github.com/open-policy-agent/opa/v1/ast"

// infer returns what is known of a term.
func (l *linter) infer(t *ast.Term, s *scope) value {
	switch v := t.Value.(type) {
	case ast.Var:
		return s.lookup(v)
	case ast.Ref:
		return l.inferRef(v, s)
	case *ast.ArrayComprehension:
		return l.inferItems(array, v.Term, v.Body, s)
	case *ast.SetComprehension:
		return l.inferItems(set, v.Term, v.Body, s)
	case *ast.ObjectComprehension:
		return value{shape: &Shape{kinds: object, open: new(Shape)}}
	case ast.Call, *ast.TemplateString:
		return value{}
	}
	return value{term: t, scope: s}
}

// inferItems returns the shape of a comprehension.
func (l *linter) inferItems(kind kinds, item *ast.Term, body ast.Body, s *scope) value {
	return value{shape: &Shape{kinds: kind, items: l.infer(item, l.open(body, s)).shape}}
}

// inferRef returns what is known of what a reference leads to.
func (l *linter) inferRef(ref ast.Ref, s *scope) value {
	at, rest := l.root(ref, s)
	for _, key := range rest {
		at = l.member(at, l.infer(key, s))
	}
	return at
}

// root returns what a reference begins with and the keys that follow.
func (l *linter) root(ref ast.Ref, s *scope) (value, []*ast.Term) {
	head, ok := ref[0].Value.(ast.Var)
	switch {
	case !ok:
		return value{}, ref[1:]
	case head == ast.InputRootDocument.Value:
		return value{shape: l.config.Input}, ref[1:]
	case head == ast.DefaultRootDocument.Value:
		return l.document(ref)
	}
	return s.lookup(head), ref[1:]
}

// document returns the value of the rule that a reference below data names, or
// the shape of the data, if that is what it leads to.
func (l *linter) document(ref ast.Ref) (value, []*ast.Term) {
	node := l.config.Compiler.RuleTree
	for i, key := range ref {
		if len(node.Values) > 0 {
			return l.ruleValue(node.Values), ref[i:]
		}
		next := node.Child(key.Value)
		switch {
		case next != nil:
			node = next
		case !ast.IsConstant(key.Value):
			return value{}, nil
		default:
			return value{shape: l.config.Data}, ref[1:]
		}
	}
	if len(node.Values) > 0 {
		return l.ruleValue(node.Values), nil
	}
	return value{}, nil
}

// ruleValue returns what is known of a rule's value, if it is the only one.
func (l *linter) ruleValue(rules []*ast.Rule) value {
	rule := rules[0]
	switch {
	case !rule.Ref().IsGround(), len(rule.Head.Args) > 0:
		return value{}
	case rule.Head.RuleKind() == ast.MultiValue:
		return value{shape: &Shape{kinds: set}}
	case len(rules) > 1, rule.Else != nil:
		return value{}
	}
	b := l.rules[rule]
	if b == nil {
		b = &binding{find: func() value { return l.infer(rule.Head.Value, l.open(rule.Body, nil)) }}
		l.rules[rule] = b
	}
	return b.value()
}

// result returns what is known of what a call returns.
func (l *linter) result(e *ast.Expr, s *scope) value {
	operands := e.Operands()
	switch name := e.Operator().String(); name {
	case ast.ObjectGet.Name:
		return l.got(operands, s)
	case ast.ObjectUnion.Name:
		return union(l.infer(operands[0], s), l.infer(operands[1], s))
	default:
		if builtin := ast.BuiltinMap[name]; builtin != nil {
			return value{shape: shapeOfType(builtin.Decl.Result())}
		}
	}
	rules := l.config.Compiler.GetRulesExact(e.Operator())
	if len(rules) != 1 || rules[0].Else != nil || !l.enter() {
		return value{}
	}
	defer l.leave()
	inner, _ := l.called(rules[0], operands, s)
	return l.infer(rules[0].Head.Value, l.open(rules[0].Body, inner))
}

// got returns what object.get returns, if its default is of the same kind.
func (l *linter) got(operands []*ast.Term, s *scope) value {
	at := l.infer(operands[0], s)
	for _, key := range l.keys(operands[1], s) {
		at = l.member(at, key)
	}
	instead := l.infer(operands[2], s)
	if at.shape == nil || instead.term == nil || !l.suits(instead, at.shape) {
		return value{}
	}
	return value{shape: at.shape}
}

// keys returns the keys that a term names: one, or a list of them.
func (l *linter) keys(t *ast.Term, s *scope) []value {
	v := l.infer(t, s)
	if v.term == nil {
		return []value{v}
	}
	list, ok := v.term.Value.(*ast.Array)
	if !ok {
		return []value{v}
	}
	keys := make([]value, list.Len())
	for i := range keys {
		keys[i] = l.infer(list.Elem(i), v.scope)
	}
	return keys
}
