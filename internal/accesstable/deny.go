package accesstable

import (
	"slices"
	"strings"
)

// Reasons of denials, documented in docs/troubleshooting.md.
const (
	codeBlocked = "blocked"
	codeNoRule  = "no_rule"
	codeDenied  = "rule_denied"
	// codeBelow is the reason if a rule denies a path below that of the request.
	codeBelow = "below_denied"
	// CodeForeignDestination is the reason if a WebDAV Destination is on another host that
	// no rule names. It is also the label of the rule that denies it.
	CodeForeignDestination = "foreign_destination"
)

// deny returns the verdict on a denied request; below is the rule that denies a path below
// that of the request, or nil.
func (q *Question) deny(below *Rule) Verdict {
	var denying []*Rule
	for _, rule := range q.judged {
		if !rule.permits(q) {
			denying = append(denying, rule)
		}
	}
	return Verdict{Labels: labels(denying), Reasons: reasons(denying, below), Challenge: q.challenge(), Login: q.login(denying)}
}

// labels returns the labels of rules, sorted and without duplicates.
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

// sorted sorts a list in place and removes duplicates.
func sorted(texts []string) []string {
	slices.Sort(texts)
	return slices.Compact(texts)
}

// reasons returns the codes for the rules that deny the request.
func reasons(denying []*Rule, below *Rule) []string {
	codes := make([]string, len(denying), len(denying)+1)
	for i, rule := range denying {
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

// login reports whether signing in may help: the caller is anonymous, and each rule that
// denies the request has an alternative of which only conditions on the caller fail.
func (q *Question) login(denying []*Rule) bool {
	if q.Identity.Authenticated {
		return false
	}
	for _, rule := range denying {
		if !slices.ContainsFunc(rule.Allow, func(a Alternative) bool { return a.withinReach(q) }) {
			return false
		}
	}
	return true
}

// withinReach reports whether all conditions hold, leaving out those that signing in may
// meet: a person who signs in is no guest.
func (a *Alternative) withinReach(q *Question) bool {
	for _, condition := range a.Conditions {
		switch condition.Name {
		case "anyone", "methods", "networks", "upgrades", "links":
			if !condition.test.holds(q, allow) {
				return false
			}
		}
	}
	return true
}
