package decisioncache

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Dependencies are the input fields that evaluating a decision may read, and the built-in
// functions that it may call.
type Dependencies struct {
	// Reads are the fields.
	Reads ReadSet
	// ReadsOutsideTables are those that rules other than those of access tables may read.
	ReadsOutsideTables ReadSet

	calls map[string]bool // built-in functions, by name
	rules map[*ast.Rule]bool
	clock *clockReads
}

// Inspect walks the compiled rules that evaluating a reference may evaluate. tableReadsTime
// says that the access table has conditions on the time.
func Inspect(compiler *ast.Compiler, decision ast.Ref, tableReadsTime bool) *Dependencies {
	w := &readWalker{compiler: compiler, Dependencies: Dependencies{ReadSet{}, ReadSet{}, map[string]bool{}, map[*ast.Rule]bool{}, &clockReads{paths: ReadSet{}}}}
	w.visitRef(decision)
	w.addClock(tableReadsTime)
	return &w.Dependencies
}

// readWalker walks one rule. Each rule that it refers to gets a readWalker of its own,
// which adds to the same Dependencies.
type readWalker struct {
	Dependencies
	compiler *ast.Compiler
	table    bool // it is a rule of access tables
	scope    scope
	aliases  aliases
}

// visitRef notes a reference to input or to a built-in function, or walks the
// rules that one to data may mean.
func (w *readWalker) visitRef(ref ast.Ref) {
	switch {
	case ref.HasPrefix(ast.InputRootRef):
		w.visitInput(nil, ref[1:])
	case ref.HasPrefix(ast.DefaultRootRef):
		for _, rule := range w.compiler.GetRulesDynamicWithOpts(namesOf(ref), ast.RulesOptions{IncludeHiddenModules: true}) {
			w.visitRule(rule)
		}
	default:
		if name := builtin(ref); name != "" {
			w.calls[name] = true
		}
	}
}

// namesOf returns a reference in which only strings are kept and everything else matches
// anything: equal numbers may be written differently, and the compiler would not find the
// rules of one by the other.
func namesOf(ref ast.Ref) ast.Ref {
	names := slices.Clone(ref)
	for i, term := range names {
		if _, ok := term.Value.(ast.String); i > 0 && !ok {
			names[i] = ast.VarTerm("_")
		}
	}
	return names
}

// visitInput notes that a path below input is read, up to its first name that is not
// known. Where a variable can only be one of several names, it notes each of these paths.
func (w *readWalker) visitInput(names []string, rest ast.Ref) {
	known := constantPrefix(rest)
	names, rest = append(slices.Clip(names), known...), rest[len(known):]
	if len(rest) > 0 {
		if name, ok := rest[0].Value.(ast.Var); ok {
			for _, word := range w.scope.words[name] {
				w.visitInput(names, append(ast.Ref{ast.StringTerm(word)}, rest[1:]...)) //nolint:gosec // rest is not empty
			}
			if len(w.scope.words[name]) > 0 {
				return
			}
		}
	}
	path := strings.Join(names, ".")
	if w.table && clockPaths[path] {
		w.clock.paths[path] = true
		return
	}
	if w.Reads[path] = true; !w.table {
		w.ReadsOutsideTables[path] = true
	}
}

func (w *readWalker) visitRule(rule *ast.Rule) {
	for ; rule != nil && !w.rules[rule]; rule = rule.Else {
		w.rules[rule] = true
		inner := readWalker{Dependencies: w.Dependencies, compiler: w.compiler, table: isOfTables(rule), aliases: aliasesOf(rule)}
		inner.walk(rule.Body, rule.Head)
	}
}

// tablesPackage is the package that judges access tables.
var tablesPackage = ast.MustParseRef("data.caddy.access")

// isOfTables reports whether a rule is in tablesPackage.
func isOfTables(rule *ast.Rule) bool {
	return rule.Module != nil && rule.Module.Package.Path.Equal(tablesPackage)
}

// walk walks a body and then the terms that use its variables: the head of a rule, or the
// result of a comprehension.
func (w *readWalker) walk(body ast.Body, made ...any) {
	outer := w.scope
	w.scope = outer.within(body)
	for _, expr := range body {
		ast.NewGenericVisitor(w.visit).Walk(expr)
	}
	for _, node := range made {
		ast.NewGenericVisitor(w.visit).Walk(node)
	}
	w.scope = outer
}

// visit takes what a rule is made of; it returns whether it has dealt with all
// of a node.
func (w *readWalker) visit(node any) bool {
	switch node := node.(type) {
	case ast.Body:
		w.walk(node)
		return true
	case *ast.ArrayComprehension:
		w.walk(node.Body, node.Term)
		return true
	case *ast.SetComprehension:
		w.walk(node.Body, node.Term)
		return true
	case *ast.ObjectComprehension:
		w.walk(node.Body, node.Key, node.Value)
		return true
	case ast.Ref:
		w.visitRef(node)
		for i, term := range node {
			if _, named := term.Value.(ast.Var); i > 0 || !named {
				ast.NewGenericVisitor(w.visit).Walk(term)
			}
		}
		return true
	case ast.Var:
		if ast.RootDocumentNames.Contains(ast.NewTerm(node)) {
			w.visitRef(ast.Ref{ast.NewTerm(node)})
		}
	case *ast.Expr:
		return w.visitExpr(node)
	case ast.Call:
		w.visitFunction(node[0])
	case *ast.With: // what it replaces is not read
		if node.Target.String() == ast.ObjectGet.Name { // what takes its place may read anything of an alias
			w.visitRef(ast.InputRootRef)
		}
		w.clock.visitWith(node)
		ast.NewGenericVisitor(w.visit).Walk(node.Value)
		return true
	}
	return false
}

// visitExpr notes the function that an expression calls. object.get on an alias reads only
// the member that it names, so that a decision does not depend on the rest of the value.
func (w *readWalker) visitExpr(expr *ast.Expr) bool {
	if terms, ok := expr.Terms.([]*ast.Term); ok {
		w.visitFunction(terms[0])
	}
	if name, path, ok := memberCall(expr); ok && w.aliases[name] != nil {
		ref := w.aliases[name]
		for _, word := range path {
			ref = ref.Append(ast.StringTerm(word))
		}
		w.visitRef(ref)
		return false
	}
	return w.defines(expr)
}

// defines reports whether an expression does nothing but make an alias.
func (w *readWalker) defines(expr *ast.Expr) bool {
	defined := false
	eachEquation(ast.Body{expr}, func(name ast.Var, _ ast.Value) { defined = defined || w.aliases[name] != nil })
	return defined
}

// visitFunction notes a function that is called. One that is neither a rule nor a
// known built-in function is noted as it stands.
func (w *readWalker) visitFunction(operator *ast.Term) {
	ref, ok := operator.Value.(ast.Ref)
	if !ok || !ref.HasPrefix(ast.DefaultRootRef) {
		w.calls[operator.String()] = true
	}
}

// constantPrefix returns the names with which a path below input begins.
func constantPrefix(path ast.Ref) []string {
	var names []string
	for _, term := range path {
		name, ok := term.Value.(ast.String)
		if !ok || strings.Contains(string(name), ".") {
			break
		}
		names = append(names, string(name))
	}
	return names
}
