package bundle

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// maxBlockedWarnings is the maximum number of definitions that warnBlocked lists.
const maxBlockedWarnings = 10

// warnBlocked warns of definitions of the decision that do not read the access table, if
// the table has blocked: they allow callers that it blocks.
func warnBlocked(b *Bundle) []string {
	if b.Table == nil || !b.Table.Blocks() {
		return nil
	}
	var warnings []string
	for _, rule := range b.Program.Compiler.GetRulesExact(b.Program.Decision) {
		// A branch after else is evaluated only if the branches before it do not hold.
		for ; rule != nil && !definitionAsksTable(b.Program.Compiler, rule); rule = rule.Else {
			if isFalse(rule.Head.Value) {
				continue
			}
			if len(warnings) == maxBlockedWarnings {
				return append(warnings, "and more such definitions")
			}
			warnings = append(warnings, fmt.Sprintf("%s: this definition of %s does not read data.caddy.access, so it also allows callers that blocked in the access table names; add not data.caddy.access.blocked",
				rule.Location, rule.Head.Ref()[0]))
		}
	}
	return warnings
}

// definitionAsksTable reports whether evaluating one definition of a rule, without what
// follows else, may evaluate a rule of caddy.access.
func definitionAsksTable(compiler *ast.Compiler, rule *ast.Rule) bool {
	for next := range compiler.Graph.Dependencies(rule) {
		if other, ok := next.(*ast.Rule); ok && asksTable(compiler, []*ast.Rule{other}) {
			return true
		}
	}
	return false
}

// isFalse reports whether a term is the constant false.
func isFalse(t *ast.Term) bool { return t != nil && t.Value.Compare(ast.Boolean(false)) == 0 }
