package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// reads is what evaluating a decision may read of input: dotted prefixes such as
// request.path, below which everything counts as read. "" is the whole input.
// What cannot be told from the rules counts as read.
type reads map[string]bool

// findings are what evaluating a decision may do.
type findings struct {
	reads reads
	calls map[string]bool // built-in functions, by name
}

// inspect walks the compiled rules that evaluating a reference may evaluate.
func inspect(compiler *ast.Compiler, decision ast.Ref) *findings {
	w := &readWalker{compiler: compiler, seen: map[*ast.Rule]bool{}, findings: findings{reads{}, map[string]bool{}}}
	w.visitRef(decision)
	return &w.findings
}

type readWalker struct {
	findings
	compiler *ast.Compiler
	seen     map[*ast.Rule]bool
}

// visitRef notes a reference to input or to a built-in function, or walks the
// rules that one to data may mean.
func (w *readWalker) visitRef(ref ast.Ref) {
	switch {
	case ref.HasPrefix(ast.InputRootRef):
		w.reads[strings.Join(constantPrefix(ref[1:]), ".")] = true
	case ref.HasPrefix(ast.DefaultRootRef):
		for _, rule := range w.compiler.GetRulesDynamicWithOpts(ref, ast.RulesOptions{IncludeHiddenModules: true}) {
			w.visitRule(rule)
		}
	default:
		if name := builtin(ref); name != "" {
			w.calls[name] = true
		}
	}
}

func (w *readWalker) visitRule(rule *ast.Rule) {
	for ; rule != nil && !w.seen[rule]; rule = rule.Else {
		w.seen[rule] = true
		ast.NewGenericVisitor(w.visit).Walk(rule.Head)
		ast.NewGenericVisitor(w.visit).Walk(rule.Body)
	}
}

// visit takes what a rule is made of; it returns whether it has dealt with all
// of a node.
func (w *readWalker) visit(node any) bool {
	switch node := node.(type) {
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
		w.visitOperator(node)
	case ast.Call:
		w.visitFunction(node[0])
	case *ast.With: // what it replaces is not read
		ast.NewGenericVisitor(w.visit).Walk(node.Value)
		return true
	}
	return false
}

// visitOperator notes the function that an expression calls.
func (w *readWalker) visitOperator(expr *ast.Expr) {
	if terms, ok := expr.Terms.([]*ast.Term); ok {
		w.visitFunction(terms[0])
	}
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

// reads reports whether what is at a dotted path, or something below it, may be read.
func (r reads) reads(path string) bool {
	for prefix := range r {
		if prefix == "" || prefix == path || strings.HasPrefix(prefix, path+".") || strings.HasPrefix(path, prefix+".") {
			return true
		}
	}
	return false
}

// below returns, sorted, the names of the members of an object that may be read;
// nil if all of it may be, as a whole.
func (r reads) below(path string) []string {
	names := map[string]bool{}
	for prefix := range r {
		if prefix == "" || prefix == path || strings.HasPrefix(path, prefix+".") {
			return nil
		}
		if rest, ok := strings.CutPrefix(prefix, path+"."); ok {
			name, _, _ := strings.Cut(rest, ".")
			names[name] = true
		}
	}
	if len(names) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(names))
}

// names returns the prefixes, sorted; the whole input is "input".
func (r reads) names() []string {
	if r[""] {
		return []string{"input"}
	}
	return slices.Sorted(maps.Keys(r))
}
