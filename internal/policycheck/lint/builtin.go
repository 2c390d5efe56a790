package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// builtIn reports a reference to a rule that a built-in package does not have. It is
// always undefined, because no other source may add to these packages.
func (l *linter) builtIn(ref ast.Ref) {
	for _, pkg := range l.config.BuiltIn {
		node := l.node(pkg)
		if node == nil || len(ref) <= len(pkg) || !ref.HasPrefix(pkg) {
			continue
		}
		name, ok := ref[len(pkg)].Value.(ast.String)
		if ok && node.Child(name) == nil {
			l.report(ref[0].Location, UnknownRule, Error,
				fmt.Sprintf("%s has no rule %q%s", pkg, string(name), choice(string(name), l.documented(pkg))), false)
		}
		return
	}
	l.builtInPackage(ref)
}

// builtInPackage warns of a reference whose package is misspelled as one that is built in.
// It may be data, because data of other sources can be beside these packages.
func (l *linter) builtInPackage(ref ast.Ref) {
	parent := ast.Ref{ast.DefaultRootDocument, ast.StringTerm("caddy")}
	if len(ref) <= len(parent) || !ref.HasPrefix(parent) {
		return
	}
	name, ok := ref[len(parent)].Value.(ast.String)
	if node := l.node(parent); !ok || node != nil && node.Child(name) != nil {
		return
	}
	for _, pkg := range l.config.BuiltIn {
		last := strings.TrimPrefix(pkg.String(), parent.String()+".")
		if d := distance(string(name), last); d > 0 && d <= 2 {
			l.report(ref[0].Location, UnknownRule, Warning, fmt.Sprintf("there is no package %s.%s; did you mean %s?", parent, string(name), pkg), false)
			return
		}
	}
}

// node returns the rules at a path and below it, or nil.
func (l *linter) node(path ast.Ref) *ast.TreeNode {
	node := l.config.Compiler.RuleTree
	for _, key := range path {
		if node = node.Child(key.Value); node == nil {
			return nil
		}
	}
	return node
}

// documented returns the names of the rules of a package that have a description. The
// others are for the package itself.
func (l *linter) documented(pkg ast.Ref) []string {
	var names []string
	for _, module := range l.config.Compiler.Modules {
		if !module.Package.Path.Equal(pkg) {
			continue
		}
		comments := make(map[int]string, len(module.Comments))
		for _, comment := range module.Comments {
			comments[comment.Location.Row] = strings.TrimSpace(string(comment.Text))
		}
		for _, rule := range module.Rules {
			if described(comments, rule.Location.Row) {
				names = append(names, rule.Head.Ref()[0].String())
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// described reports whether the comments just before a line have metadata.
func described(comments map[int]string, row int) bool {
	for {
		row--
		switch text, ok := comments[row]; {
		case !ok:
			return false
		case text == "METADATA":
			return true
		}
	}
}
