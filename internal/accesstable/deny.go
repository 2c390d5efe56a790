package accesstable

import (
	"slices"
	"strings"
)

// The codes of denials, which docs/troubleshooting.md explains.
const (
	codeBlocked = "blocked"
	codeNoRule  = "no_rule"
	codeDenied  = "rule_denied"
	// codeBelow: a rule denies what lies below the path.
	codeBelow = "below_denied"
	// CodeForeignDestination: a WebDAV Destination is on a host that no rule names. It is
	// also the label of the rule that denies it.
	CodeForeignDestination = "foreign_destination"
)

// refuse returns the verdict on a question of which not every judged rule permits
// what it was picked for; below is one that decides below that, or nil.
func (q *Question) refuse(below *Rule) Verdict {
	var refused []*Rule
	for _, rule := range q.judged {
		if !rule.permits(q) {
			refused = append(refused, rule)
		}
	}
	return Verdict{Labels: labels(refused), Reasons: reasons(refused, below), Scopes: q.missingScopes(refused), Login: q.login(refused)}
}

// labels names rules: each label once, sorted.
func labels(rules []*Rule) map[string]string {
	if len(rules) == 1 {
		return rules[0].labels
	}
	names := make([]string, len(rules))
	for i, rule := range rules {
		names[i] = rule.Label
	}
	return labelled(strings.Join(sorted(names), ", "))
}

// sorted sorts a list, in place, and leaves each text once.
func sorted(texts []string) []string {
	slices.Sort(texts)
	return slices.Compact(texts)
}

// reasons are the codes for the rules that refused.
func reasons(refused []*Rule, below *Rule) []string {
	codes := make([]string, len(refused), len(refused)+1)
	for i, rule := range refused {
		switch rule.Label {
		case labelDefault:
			codes[i] = codeNoRule
		case CodeForeignDestination:
			codes[i] = CodeForeignDestination
		default:
			codes[i] = codeDenied
		}
	}
	if below != nil {
		codes = append(codes, codeBelow)
	}
	return sorted(codes)
}

// login reports whether signing in may help: the caller is anonymous, and each rule
// that refuses has an alternative of which only conditions on the caller fail.
func (q *Question) login(refused []*Rule) bool {
	if q.Identity.Authenticated {
		return false
	}
	for _, rule := range refused {
		if !slices.ContainsFunc(rule.Allow, func(a Alternative) bool { return a.withinReach(q) }) {
			return false
		}
	}
	return true
}

// withinReach reports whether no condition fails but those on the caller.
func (a *Alternative) withinReach(q *Question) bool {
	for _, condition := range a.Conditions {
		switch condition.Name {
		case "anyone", "methods", "networks", "upgrades":
			if !condition.test.holds(q, allow) {
				return false
			}
		}
	}
	return true
}

// missingScopes returns all scopes that the operation needs, if the caller is known
// and each rule that refuses lacks nothing but scopes (RFC 6750, section 3.1).
func (q *Question) missingScopes(refused []*Rule) []string {
	if !q.Identity.Authenticated {
		return nil
	}
	var scopes []string
	for _, rule := range q.judged {
		wanted, lacking := rule.wantedScopes(q)
		if !lacking && slices.Contains(refused, rule) {
			return nil
		}
		scopes = append(scopes, wanted...)
	}
	return sorted(scopes)
}

// wantedScopes returns the scopes of the first alternative that holds, or else would
// hold with them; lacking says that there is one of the latter.
func (r *Rule) wantedScopes(q *Question) (wanted []string, lacking bool) {
	if holding := r.holding(q); holding != nil {
		return holding.scopes(), false
	}
	for i := range r.Allow {
		alternative := &r.Allow[i]
		if wanted := alternative.scopes(); wanted != nil && alternative.holdsBut(q, "scopes") {
			return wanted, true
		}
	}
	return nil, false
}

// scopes returns the scopes that the alternative wants, or nil.
func (a *Alternative) scopes() []string {
	for _, condition := range a.Conditions {
		if scopes, ok := condition.test.(scopes); ok {
			return scopes
		}
	}
	return nil
}
