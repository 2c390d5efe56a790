// Package accesstable decides about requests by access tables, access.yaml, in Go and
// without evaluating Rego. The policy caddy.access in policies/caddy/access makes the
// same decisions for policies that refer to it; a property test compares the two with
// generated tables and requests.
package accesstable

import (
	"slices"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// Labels of decisions that are not made by a rule of a table.
const (
	labelBlocked = "blocked"
	labelDefault = "default"
)

// Table is a compiled access table. It is immutable.
type Table struct {
	rules    []*Rule
	fallback *Rule
	blocked  blocked
	index    *index
	tools    bool    // a rule has the condition tools
	maxAges  []int64 // of max_age, in seconds, each once and sorted
}

// Rule is a rule of a table: it allows a request if one of its alternatives holds.
type Rule struct {
	// Label is the position of the rule, such as access.yaml:7 (rule 2).
	Label string
	// Named is true if the rule has paths.
	Named bool
	// Allow are the alternatives. If it is empty, the rule denies every caller.
	Allow  []Alternative
	labels map[string]string
	paths  []path
	tools  bool // an alternative has the condition tools
}

// newRule returns a rule without alternatives, which denies every caller.
func newRule(label string) *Rule { return &Rule{Label: label, labels: labelled(label)} }

// labelled returns the labels of the decisions of a rule.
func labelled(label string) map[string]string { return map[string]string{"rule": label} }

// Alternative is a list of conditions. It holds if all of them do; without conditions it
// never holds.
type Alternative struct {
	// At is its position, file:line.
	At string
	// Conditions are in the order of the table.
	Conditions []Condition
}

// Condition is a condition of an alternative.
type Condition struct {
	// At is its position, file:line.
	At string
	// Name is its key in a table, such as roles; Text is the value, on one line.
	Name, Text string
	// Wanted is the value as in the data of caddy.access.
	Wanted any
	test   test
}

// blocked denies callers before any rule is compared.
type blocked struct {
	users    words
	networks *networks
}

// holds reports whether the caller is blocked. A name is compared with the ID and the
// username, whatever the issuer: it is safer to block one caller too many. If the
// username is unknown, it may be a blocked one.
func (b blocked) holds(q *Question) bool {
	if len(b.users) > 0 && (b.users.has(q.Identity.ID) || b.users.has(q.Identity.Username) || q.unknown("username")) {
		return true
	}
	return b.networks.size() > 0 && b.networks.holds(q, deny)
}

// Blocks reports whether the table blocks callers whatever its rules are.
func (t *Table) Blocks() bool { return len(t.blocked.users) > 0 || t.blocked.networks.size() > 0 }

// foreign is the rule for a destination on another host than the request's that no rule
// names. It denies every caller.
var foreign = newRule(CodeForeignDestination)

var blockedLabels = labelled(labelBlocked)

// Verdict is the decision of a table.
type Verdict struct {
	// Allow is true if the request is allowed.
	Allow bool
	// Labels has the labels of the rules that decided, as "rule". It is shared: do not
	// modify it.
	Labels map[string]string
	// Reasons are the codes of a denial, sorted.
	Reasons []string
	// Challenge asks an authenticated caller for what is missing; nil if that would not
	// help.
	Challenge *Challenge
	// Login is true if the request may be allowed once an anonymous caller is signed in.
	Login bool
}

// Question is a request to decide about, in one reading of its path. Set Document before
// Judge, and call Reset before you reuse a Question.
type Question struct {
	*request.Document
	// AnyMessage makes the condition tools hold, whatever message the request has: if the
	// table denies it even then, its body need not be read.
	AnyMessage   bool
	client, peer address
	overrides    overrides
	others       elsewhere
	judged       []*Rule
}

// Reset clears the question and keeps its memory for the next one.
func (q *Question) Reset() {
	clear(q.judged)
	clear(q.overrides.names)
	clear(q.others.paths)
	*q = Question{judged: q.judged[:0], overrides: overrides{names: q.overrides.names[:0]}, others: elsewhere{paths: q.others.paths[:0]}}
}

// Judge returns the decision about a request.
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
		return q.deny(nil)
	}
	if below := t.denyingBelow(q); below != nil {
		q.add(below)
		return q.deny(below)
	}
	return Verdict{Allow: true, Labels: labels(q.judged)}
}

// pick collects the rules that decide: the first that matches the path, the first that
// matches the destination, and for the paths of elsewhere the first that match if they
// have paths.
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

// add adds a rule, unless it is there already.
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

// holds reports whether the alternative has conditions and all of them hold.
func (a *Alternative) holds(q *Question) bool {
	if len(a.Conditions) == 0 || !a.visible(q) {
		return false
	}
	for _, condition := range a.Conditions {
		if !condition.test.holds(q, allow) {
			return false
		}
	}
	return true
}

// visible reports whether the alternative may allow the upgrade of the request. Policies
// do not see what is sent after an upgrade other than WebSocket, so an alternative
// without upgrades allows it for authenticated callers only.
func (a *Alternative) visible(q *Question) bool {
	return q.Identity.Authenticated || isPlain(q.Request.Upgrade) || a.has("upgrades")
}

// hasCondition reports whether a rule has a condition of some sort.
func (t *Table) hasCondition(is func(Condition) bool) bool {
	return slices.ContainsFunc(append(slices.Clone(t.rules), t.fallback), func(r *Rule) bool {
		return r != nil && slices.ContainsFunc(r.Allow, func(a Alternative) bool { return slices.ContainsFunc(a.Conditions, is) })
	})
}

// NamesGuests reports whether a rule has a condition on the guests of share links.
func (t *Table) NamesGuests() bool {
	return t.hasCondition(func(c Condition) bool {
		wanted, _ := c.test.(kinds)
		return c.Name == "links" || words(wanted).has(string(authenticator.KindGuest))
	})
}

// has reports whether the alternative has a condition with a name.
func (a *Alternative) has(name string) bool {
	for _, condition := range a.Conditions {
		if condition.Name == name {
			return true
		}
	}
	return false
}

// isPlain reports whether a request has no upgrade, or one to WebSocket.
func isPlain(upgrade string) bool { return upgrade == "" || upgrade == "websocket" }
