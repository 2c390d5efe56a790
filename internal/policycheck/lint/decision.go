package lint

import "fmt"

// decision reports a decision that is neither a boolean nor an object: it would deny every
// request.
func (l *linter) decision() {
	if l.config.Decision == nil {
		return
	}
	for rule := range definitions(l.config.Compiler.GetRulesExact(l.config.Decision)) {
		at := rule.Location
		if rule.Head.Value == nil {
			l.report(at, WrongDecision, Error, "the decision is a set; write true, false or an object with the member allow", true)
			continue
		}
		v := l.infer(rule.Head.Value, l.open(rule.Body, nil))
		if kind := v.kind(); v.known() && kind&(boolean|object) == 0 {
			l.report(v.place(at), WrongDecision, Error, fmt.Sprintf("the decision is %s; write true, false or an object with the member allow", kind), true)
		}
	}
}
