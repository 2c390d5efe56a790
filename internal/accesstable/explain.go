package accesstable

// Explanation is the decision of a table with its reasons, in the words of the table.
type Explanation struct {
	// Allow is true if the table allows the request.
	Allow bool `json:"allow"`
	// Blocked is true if the caller is blocked; rules are not compared then.
	Blocked bool `json:"blocked"`
	// BlockedBy is the entry that blocks the caller, such as users: mallory, or "".
	BlockedBy string `json:"blocked_by,omitempty"`
	// Rules are the rules that decide: the first that matches the host and the path, one
	// more for a WebDAV destination and one for a rewritten path, and the one that denies
	// a path below them.
	Rules []ExplainedRule `json:"rules"`
}

// ExplainedRule is a rule that decides about a request.
type ExplainedRule struct {
	// Label is its position, such as access.yaml:7 (rule 2), or default if no rule
	// matches.
	Label string `json:"rule"`
	// Below is true if the rule decides about a path below that of the request or of the
	// destination, because the method acts on everything below.
	Below bool `json:"below,omitempty"`
	// Holds is true if one of its alternatives holds.
	Holds bool `json:"holds"`
	// Alternatives are in the order of the table. If it is empty, the rule denies every
	// caller.
	Alternatives []ExplainedAlternative `json:"alternatives"`
}

// ExplainedAlternative is an alternative of a rule.
type ExplainedAlternative struct {
	// At is its position, file:line.
	At    string `json:"at"`
	Holds bool   `json:"holds"`
	// Nearest is true if it is the first alternative with the fewest failed conditions.
	Nearest    bool                 `json:"nearest,omitempty"`
	Conditions []ExplainedCondition `json:"conditions"`
}

// ExplainedCondition is a condition of an alternative.
type ExplainedCondition struct {
	// At is its position, file:line, or "".
	At string `json:"at"`
	// Name is its key, such as roles; Wanted is the value in the table.
	Name   string `json:"condition"`
	Wanted string `json:"wanted"`
	// Holds is true if it holds; Has is the value that the request has.
	Holds bool `json:"holds"`
	Has   any  `json:"has"`
}

// Explain returns the decision of the table with its reasons.
func (t *Table) Explain(q *Question) *Explanation {
	e := &Explanation{Allow: true, Blocked: t.blocked.holds(q), Rules: []ExplainedRule{}}
	if e.Blocked {
		e.BlockedBy = t.blocked.by(q)
	}
	t.pick(q)
	for _, rule := range q.judged {
		explained := rule.explain(q)
		e.Allow = e.Allow && explained.Holds
		e.Rules = append(e.Rules, explained)
	}
	e.Allow = e.Allow && !e.Blocked
	if below := t.denyingBelow(q); e.Allow && below != nil {
		explained := below.explain(q)
		e.Allow, explained.Below = false, true
		e.Rules = append(e.Rules, explained)
	}
	return e
}

func (r *Rule) explain(q *Question) ExplainedRule {
	explained := ExplainedRule{Label: r.Label, Alternatives: make([]ExplainedAlternative, len(r.Allow))}
	for i := range r.Allow {
		explained.Alternatives[i] = r.Allow[i].explain(q)
		explained.Holds = explained.Holds || explained.Alternatives[i].Holds
	}
	explained.markNearest()
	return explained
}

// explain returns which conditions hold. If the request has an upgrade that the
// alternative does not name, that is a failed condition too.
func (a *Alternative) explain(q *Question) ExplainedAlternative {
	explained := ExplainedAlternative{At: a.At, Holds: a.holds(q), Conditions: make([]ExplainedCondition, 0, len(a.Conditions)+1)}
	for _, c := range a.Conditions {
		explained.Conditions = append(explained.Conditions, ExplainedCondition{
			At: c.At, Name: c.Name, Wanted: c.Text, Holds: c.test.holds(q, allow), Has: c.test.has(q),
		})
	}
	if !a.visible(q) {
		explained.Conditions = append(explained.Conditions, ExplainedCondition{
			Name: "upgrades", Wanted: "[websocket]", Has: upgrades{}.has(q),
		})
	}
	return explained
}

// markNearest marks the first of the alternatives with the fewest failed conditions.
func (r *ExplainedRule) markNearest() {
	nearest, least := -1, 0
	for i, alternative := range r.Alternatives {
		failing := 0
		for _, c := range alternative.Conditions {
			if !c.Holds {
				failing++
			}
		}
		if nearest < 0 || failing < least {
			nearest, least = i, failing
		}
	}
	if nearest >= 0 && !r.Holds {
		r.Alternatives[nearest].Nearest = true
	}
}
