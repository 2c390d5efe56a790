package lint

import (
	"fmt"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// misspelt warns of rules beside the decision that no rule reads and whose name is nearly
// that of the decision, such as alow.
func (l *linter) misspelt() {
	decision := l.config.Decision
	if len(decision) < 2 {
		return
	}
	pkg := decision[:len(decision)-1]
	name, ok := decision[len(pkg)].Value.(ast.String)
	if !ok {
		return
	}
	for _, file := range slices.Sorted(maps.Keys(l.config.Files)) {
		module := l.config.Compiler.Modules[file]
		if module == nil || !module.Package.Path.Equal(pkg) {
			continue
		}
		for _, rule := range module.Rules {
			if own := rule.Head.Ref()[0].String(); l.isMisspelt(rule, own, string(name)) {
				l.report(rule.Location, MisspeltDecision, Warning, fmt.Sprintf("no rule reads %s, and the decision is %s; did you mean %s?", own, string(name), string(name)), false)
			}
		}
	}
}

// isMisspelt reports whether a rule, which is called own, is probably meant as the decision.
func (l *linter) isMisspelt(rule *ast.Rule, own, name string) bool {
	d := distance(own, name)
	return d > 0 && d <= min(2, len(name)/2) && !rule.Default && len(rule.Head.Args) == 0 && len(l.config.Compiler.Graph.Dependents(rule)) == 0
}
