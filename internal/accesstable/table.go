// Package accesstable judges requests by access tables, access.yaml: a compiled table
// answers in Go, without evaluating Rego. The policy caddy.access in
// policies/caddy/access decides the same and is what other policies ask; generated
// tables and requests hold the two together.
package accesstable

import (
	"slices"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// Labels of decisions that no rule of a table makes.
const (
	labelBlocked = "blocked"
	labelDefault = "default"
)

// Table is an access table that is ready to judge. It is immutable.
type Table struct {
	rules    []*Rule
	fallback *Rule
	blocked  blocked
	index    *index
}

// Rule is one rule of a table: which alternatives let a caller in.
type Rule struct {
	// Label says where the rule stands, such as access.yaml:7 (rule 2).
	Label string
	// Named says that the rule has paths.
	Named bool
	// Allow are the alternatives. Without any, the rule denies every caller.
	Allow  []Alternative
	labels map[string]string
	paths  []path
}

// newRule returns a rule without alternatives.
func newRule(label string) *Rule { return &Rule{Label: label, labels: labelled(label)} }

// labelled returns the labels of decisions that a rule makes.
func labelled(label string) map[string]string { return map[string]string{"rule": label} }

// Alternative is one way in which a rule lets a caller in: all of its conditions must
// hold. Without any, it never holds.
type Alternative struct {
	// At says where it stands, file:line.
	At string
	// Conditions are in the order of the table.
	Conditions []Condition
}

// Condition is one condition of an alternative.
type Condition struct {
	// At says where it stands, file:line.
	At string
	// Name is its word in a table, such as roles, and Text what stands behind it.
	Name, Text string
	// Wanted is what it wants, as caddy.access has it in its data.
	Wanted any
	test   test
}

// blocked shuts callers out, whatever the rules say.
type blocked struct {
	users    words
	networks *networks
}

// holds reports whether the caller is shut out. A name counts as id and as username,
// from any issuer: to shut out one caller too many is the smaller mistake. An unknown
// username may be a blocked one.
func (b blocked) holds(q *Question) bool {
	if len(b.users) > 0 && (b.users.has(q.Identity.ID) || b.users.has(q.Identity.Username) || q.unknown("username")) {
		return true
	}
	return b.networks.size() > 0 && b.networks.holds(q, deny)
}

// foreign judges a destination on a host that neither the request nor a rule names.
var foreign = newRule(CodeForeignDestination)

var blockedLabels = labelled(labelBlocked)

// Verdict is what a table decides.
type Verdict struct {
	// Allow says that the caller may do what the request asks for.
	Allow bool
	// Labels name the rules that decided, as "rule". It is shared and not written to.
	Labels map[string]string
	// Reasons are the codes of a denial, sorted.
	Reasons []string
	// Scopes are those that the caller lacks, if nothing else is missing
	// (RFC 6750, section 3.1), sorted.
	Scopes []string
	// Login says whether signing in may help.
	Login bool
}

// Question is a request as a table sees it, in one reading of its path. Fill in
// Document; Reset makes it ready for the next.
type Question struct {
	*request.Document
	client, peer address
	overrides    overrides
	others       elsewhere
	judged       []*Rule
}

// Reset removes the request and keeps its memory for reuse.
func (q *Question) Reset() {
	clear(q.judged)
	clear(q.overrides.names)
	clear(q.others.paths)
	*q = Question{judged: q.judged[:0], overrides: overrides{names: q.overrides.names[:0]}, others: elsewhere{paths: q.others.paths[:0]}}
}

// Judge decides about a question.
func (t *Table) Judge(q *Question) Verdict {
	if t.blocked.holds(q) {
		return Verdict{Labels: blockedLabels, Reasons: []string{codeBlocked}}
	}
	t.pick(q)
	allow := true
	for _, rule := range q.judged {
		allow = allow && rule.permits(q)
	}
	if !allow {
		return q.refuse(nil)
	}
	if below := t.refusingBelow(q); below != nil {
		q.add(below)
		return q.refuse(below)
	}
	return Verdict{Allow: true, Labels: labels(q.judged)}
}

// pick collects the rules that decide: that of the path, that of a destination, and
// those that have paths and fit one of the paths elsewhere.
func (t *Table) pick(q *Question) {
	f := &q.Request
	q.judged = append(q.judged[:0], t.pickFor(f.Host, f.PathFolded))
	if f.DestinationPath != "" {
		q.add(t.destination(f))
	}
	for _, path := range q.elsewhere() {
		if rule := t.pickFor(f.Host, path); rule.Named {
			q.add(rule)
		}
	}
}

// add adds a rule once.
func (q *Question) add(rule *Rule) {
	if slices.Contains(q.judged, rule) {
		return
	}
	q.judged = append(q.judged, rule)
}

// pickFor returns the rule that decides about a path, in lower case, on a host.
func (t *Table) pickFor(host, path string) *Rule {
	if number := t.index.find(host, path); number >= 0 {
		return t.rules[number]
	}
	return t.fallback
}

// permits reports whether one of the rule's alternatives holds.
func (r *Rule) permits(q *Question) bool { return r.holding(q) != nil }

// holding returns the first alternative that holds, or nil.
func (r *Rule) holding(q *Question) *Alternative {
	for i := range r.Allow {
		if alternative := &r.Allow[i]; alternative.holds(q) {
			return alternative
		}
	}
	return nil
}

// holds reports whether all conditions of the alternative hold, and there are some.
func (a *Alternative) holds(q *Question) bool {
	return len(a.Conditions) > 0 && a.visible(q) && a.holdsBut(q, "")
}

// holdsBut reports whether the conditions of other names than one hold.
func (a *Alternative) holdsBut(q *Question, name string) bool {
	for _, condition := range a.Conditions {
		if condition.Name != name && !condition.test.holds(q, allow) {
			return false
		}
	}
	return true
}

// visible reports whether policies see what the request carries: after an upgrade
// other than WebSocket they do not, and an alternative that does not name the
// protocol allows that only for known callers.
func (a *Alternative) visible(q *Question) bool {
	return q.Identity.Authenticated || isPlain(q.Request.Upgrade) || a.has("upgrades")
}

// has reports whether the alternative has a condition of a name.
func (a *Alternative) has(name string) bool {
	for _, condition := range a.Conditions {
		if condition.Name == name {
			return true
		}
	}
	return false
}

// isPlain reports whether a request upgrades to nothing, or to a WebSocket.
func isPlain(upgrade string) bool { return upgrade == "" || upgrade == "websocket" }
