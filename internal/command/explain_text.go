package command

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/accesstable"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/explain"
)

// describe formats an explanation as text.
func describe(a explain.Response) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s", verdict(a))
	line("%s %s from %s", a.Request.Method, a.Request.URL, a.Request.ClientIP)
	line("caller: %s", describeCaller(a.Caller))
	if len(a.Changes) > 0 {
		line("what if: %s", strings.Join(a.Changes, "; "))
	}
	if a.Decision != "" {
		line("decision: %s, revision %s: %s", a.Decision, a.Revision, policyVerdict(a))
	}
	if r := a.Refusal; r != nil {
		line("answer: %d %s at %s", r.Status, strings.TrimSpace(string(r.Reason)+" "+r.Rule), r.Time.Format("2006-01-02T15:04:05Z07:00"))
		for _, name := range slices.Sorted(maps.Keys(r.Details)) {
			line("  %s: %s", name, r.Details[name])
		}
	}
	if a.Error != "" {
		line("error: %s", a.Error)
	}
	for _, note := range a.Notes {
		line("note: %s", note)
	}
	if a.Tables != nil {
		describeTables(&b, a.Tables)
	}
	for _, rule := range a.Rules {
		line("")
		describeRule(&b, rule, "")
	}
	if a.Nearest != nil {
		describeNearest(&b, a.Nearest)
	}
	return b.String()
}

// verdict returns the first line of an explanation: for a request that a server denied, the
// reason of its answer, unless the caller was changed.
func verdict(a explain.Response) string {
	if r := a.Refusal; r != nil && !a.Allow && len(a.Changes) == 0 {
		return strings.TrimSpace("denied: " + string(r.Reason) + " " + strings.Join(r.Codes, " "))
	}
	return policyVerdict(a)
}

// policyVerdict returns the decision of the policies.
func policyVerdict(a explain.Response) string {
	if a.Allow {
		return "allowed"
	}
	return strings.TrimSpace("denied: " + string(a.Reason) + " " + strings.Join(a.Codes, " "))
}

// describeCaller formats the identity of the caller.
func describeCaller(caller map[string]any) string {
	if caller["authenticated"] != true && caller["kind"] != string(authenticator.KindGuest) {
		return "anonymous"
	}
	parts := []string{fmt.Sprint(caller["id"])}
	for _, name := range []string{"kind", "method", "issuer"} {
		if text, _ := caller[name].(string); text != "" {
			parts = append(parts, name+" "+text)
		}
	}
	for _, name := range []string{"roles", "groups", "scopes"} {
		if list, _ := caller[name].([]any); len(list) > 0 {
			parts = append(parts, name+" "+asJSON(list))
		}
	}
	return strings.Join(parts, ", ")
}

func asJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return "?"
	}
	return string(text)
}

// describeTables formats the explanation of an access table.
func describeTables(b *strings.Builder, t *accesstable.Explanation) {
	if t.Blocked {
		fmt.Fprintf(b, "\nthe table blocks this caller, whatever its rules are: blocked %s\n", t.BlockedBy)
		return
	}
	for _, rule := range t.Rules {
		fmt.Fprintf(b, "\n%s\n", headline(rule))
		if len(rule.Alternatives) == 0 && rule.Label != accesstable.CodeForeignDestination {
			fmt.Fprint(b, "  it denies every caller\n")
		}
		for _, alternative := range rule.Alternatives {
			nearest := ""
			if alternative.Nearest {
				nearest = ", nearest"
			}
			fmt.Fprintf(b, "  %s %s%s\n", alternative.At, word(alternative.Holds), nearest)
			for _, c := range alternative.Conditions {
				fmt.Fprintf(b, "    %-3s %s: %s", yes(c.Holds), c.Name, c.Wanted)
				if c.Has != nil && !c.Holds {
					fmt.Fprintf(b, "   (the request has %s)", asJSON(c.Has))
				}
				fmt.Fprint(b, "\n")
			}
		}
	}
}

// headline says why a rule decides.
func headline(rule accesstable.ExplainedRule) string {
	switch {
	case rule.Below:
		return rule.Label + " decides below the path or the destination, because this method acts on everything below"
	case rule.Label == "default":
		return "no rule matches the host and the path: the default of the table decides"
	case rule.Label == accesstable.CodeForeignDestination:
		return "the Destination is on a host that is neither the host of the request nor in the hosts of a rule"
	}
	return rule.Label + " is the first that matches the host and the path"
}

func yes(holds bool) string {
	if holds {
		return "yes"
	}
	return "no"
}

func word(holds bool) string {
	if holds {
		return "holds"
	}
	return "fails"
}

// describeRule formats a rule with its conditions.
func describeRule(b *strings.Builder, rule explain.Rule, indent string) {
	kind := word(rule.Holds)
	if rule.Default {
		kind = "is the default"
	}
	fmt.Fprintf(b, "%s%s %s %s", indent, rule.At, rule.Name, kind)
	if rule.Value != nil {
		fmt.Fprintf(b, ": %s", rule.Value)
	}
	fmt.Fprint(b, "\n")
	for _, c := range rule.Conditions {
		describeCondition(b, c, indent+"  ")
	}
}

// outcomes are the words for the outcomes of conditions.
var outcomes = map[explain.Outcome]string{explain.Holds: "yes", explain.Fails: "no", explain.Broken: "error", explain.Unreached: "-"}

// describeCondition formats a condition, its values and the rules that it reads.
func describeCondition(b *strings.Builder, c explain.Condition, indent string) {
	_, row, _ := cutLast(c.At)
	text := strings.ReplaceAll(c.Text, "\n", "\n"+indent+"              ")
	fmt.Fprintf(b, "%s%-5s %5s  %s\n", indent, outcomes[c.Outcome], row, text)
	for _, v := range c.Values {
		fmt.Fprintf(b, "%s                %s is %s\n", indent, v.Name, v.Value)
	}
	for _, rule := range c.Rules {
		describeRule(b, rule, indent+"      ")
	}
}

// cutLast splits a position into file and line.
func cutLast(at string) (file, row string, ok bool) {
	colon := strings.LastIndexByte(at, ':')
	if colon < 0 {
		return at, "", false
	}
	return at[:colon], at[colon+1:], true
}

// describeNearest formats the nearest rule and the condition that fails.
func describeNearest(b *strings.Builder, n *explain.Nearest) {
	fmt.Fprintf(b, "\nnearest: %s %s", n.At, n.Rule)
	if n.Missing > 0 {
		fmt.Fprintf(b, ", conditions missing: %d", n.Missing)
	}
	fmt.Fprint(b, "\n")
	for _, c := range n.Through {
		fmt.Fprintf(b, "  %s: %s, which needs\n", c.At, c.Text)
	}
	fmt.Fprintf(b, "  %s: %s\n", n.Condition.At, n.Condition.Text)
	for _, v := range n.Condition.Values {
		fmt.Fprintf(b, "    %s is %s\n", v.Name, v.Value)
	}
	for _, rule := range n.Because {
		fmt.Fprintf(b, "    because %s %s holds\n", rule.At, rule.Name)
	}
}

// printable makes untrusted text safe for a terminal: control characters other than line
// breaks become U+FFFD.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case r < 0x20, r >= 0x7f && r < 0xa0, r == 0x2028, r == 0x2029, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return '\uFFFD'
		}
		return r
	}, text)
}
