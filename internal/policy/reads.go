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

// readsOf walks the compiled rules that evaluating a reference may evaluate.
func readsOf(compiler *ast.Compiler, decision ast.Ref) reads {
	w := &readWalker{compiler: compiler, seen: map[*ast.Rule]bool{}, found: reads{}}
	w.visitRef(decision)
	return w.found
}

type readWalker struct {
	compiler *ast.Compiler
	seen     map[*ast.Rule]bool
	found    reads
}

// visitRef notes a reference to input, or walks the rules that one to data may mean.
func (w *readWalker) visitRef(ref ast.Ref) {
	switch {
	case ref.HasPrefix(ast.InputRootRef):
		w.found[strings.Join(constantPrefix(ref[1:]), ".")] = true
	case ref.HasPrefix(ast.DefaultRootRef):
		for _, rule := range w.compiler.GetRulesDynamicWithOpts(ref, ast.RulesOptions{IncludeHiddenModules: true}) {
			w.visitRule(rule)
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
	case *ast.With: // what it replaces is not read
		ast.NewGenericVisitor(w.visit).Walk(node.Value)
		return true
	}
	return false
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

// names returns the prefixes, sorted; the whole input is "input".
func (r reads) names() []string {
	if r[""] {
		return []string{"input"}
	}
	return slices.Sorted(maps.Keys(r))
}
