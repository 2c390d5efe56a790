package decisioncache

import (
	"maps"

	"github.com/open-policy-agent/opa/v1/ast"
)

// scope is what is known of variables in a body and in those inside it.
type scope struct {
	// words are variables that stand for one of some texts, and lists those that
	// stand for a list or a set of them.
	words, lists map[ast.Var][]string
}

// within returns the scope of an inner body. An equation of a body holds everywhere in it:
// with any other value of the variable, the whole body is undefined.
func (s scope) within(body ast.Body) scope {
	inner := scope{maps.Clone(s.words), maps.Clone(s.lists)}
	if inner.words == nil {
		inner = scope{map[ast.Var][]string{}, map[ast.Var][]string{}}
	}
	eachEquation(body, func(name ast.Var, value ast.Value) {
		if texts, ok := textsIn(value); ok {
			inner.lists[name] = texts
		}
	})
	eachEquation(body, func(name ast.Var, value ast.Value) {
		if texts, ok := inner.memberOf(value); ok {
			inner.words[name] = texts
		}
	})
	return inner
}

// memberOf returns the texts of which an expression such as ["a", "b"][_] is one.
func (s scope) memberOf(value ast.Value) ([]string, bool) {
	ref, ok := value.(ast.Ref)
	if !ok || len(ref) != 2 {
		return nil, false
	}
	if name, ok := ref[0].Value.(ast.Var); ok {
		texts, ok := s.lists[name]
		return texts, ok
	}
	return textsIn(ref[0].Value)
}

// textsIn returns the members of a list or a set of texts.
func textsIn(value ast.Value) (texts []string, ok bool) {
	list, isList := value.(interface {
		Iter(func(*ast.Term) error) error
	})
	switch value.(type) {
	case *ast.Array, ast.Set:
	default:
		isList = false
	}
	if !isList {
		return nil, false
	}
	ok = true
	_ = list.Iter(func(term *ast.Term) error {
		text, isText := term.Value.(ast.String)
		texts, ok = append(texts, string(text)), ok && isText
		return nil
	})
	return texts, ok
}

// eachEquation visits what a body says that variables are, both ways round.
func eachEquation(body ast.Body, visit func(ast.Var, ast.Value)) {
	for _, expr := range body {
		if expr.Negated || len(expr.With) > 0 || !expr.IsEquality() || len(expr.Operands()) != 2 {
			continue
		}
		for i := range 2 {
			if name, ok := expr.Operand(i).Value.(ast.Var); ok {
				visit(name, expr.Operand(1-i).Value)
			}
		}
	}
}

// aliases are variables of a rule that stand for something of input of which
// nothing is read but members of known names, by object.get.
type aliases map[ast.Var]ast.Ref

// aliasesOf finds the aliases of a rule: variables with one equation, all of whose other
// uses are such calls. A variable without such a call is none: the rule then depends on
// whether the value is there, so the value counts as read.
func aliasesOf(rule *ast.Rule) aliases {
	found, uses, calls := aliases{}, map[ast.Var]int{}, map[ast.Var]int{}
	visitor := ast.NewGenericVisitor(func(node any) bool {
		switch node := node.(type) {
		case ast.Body:
			eachEquation(node, func(name ast.Var, value ast.Value) {
				if ref, ok := value.(ast.Ref); ok && ref.HasPrefix(ast.InputRootRef) && len(constantPrefix(ref[1:])) == len(ref)-1 {
					found[name] = ref
				}
			})
		case ast.Var:
			uses[node]++
		case *ast.Expr:
			if name, _, ok := memberCall(node); ok {
				uses[name]--
				calls[name]++
			}
		}
		return false
	})
	visitor.Walk(&ast.Rule{Head: rule.Head, Body: rule.Body})
	visitor.Walk(rule.Head.Reference) // the visitor of a head leaves it out
	maps.DeleteFunc(found, func(name ast.Var, _ ast.Ref) bool { return uses[name] != 1 || calls[name] == 0 })
	return found
}

// memberCall returns the variable and the names of a call such as
// object.get(x, ["a", "b"], default).
func memberCall(expr *ast.Expr) (name ast.Var, path []string, ok bool) {
	if expr.Negated || len(expr.With) > 0 || !expr.IsCall() || expr.Operator().String() != ast.ObjectGet.Name || len(expr.Operands()) < 3 {
		return "", nil, false
	}
	if name, ok = expr.Operand(0).Value.(ast.Var); !ok {
		return "", nil, false
	}
	if text, isText := expr.Operand(1).Value.(ast.String); isText {
		return name, []string{string(text)}, true
	}
	_, isList := expr.Operand(1).Value.(*ast.Array)
	path, ok = textsIn(expr.Operand(1).Value)
	return name, path, ok && isList
}
