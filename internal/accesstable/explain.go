package accesstable

// Explanation is what a table says of a request, in the table's own words.
type Explanation struct {
	// Allow says that the table lets the caller do what the request asks for.
	Allow bool `json:"allow"`
	// Blocked says that the caller is shut out whatever the rules say.
	Blocked bool `json:"blocked"`
	// BlockedBy is what shuts the caller out, such as users: mallory; "" if nothing does.
	BlockedBy string `json:"blocked_by,omitempty"`
	// Rules are those that decide: the first whose hosts and paths fit the path, one
	// more each for a WebDAV destination and for a rewritten path, and one that refuses
	// what lies below them.
	Rules []ExplainedRule `json:"rules"`
}

// ExplainedRule is a rule that decides.
type ExplainedRule struct {
	// Label says where it stands, such as access.yaml:7 (rule 2); it is default
	// where no rule fits.
	Label string `json:"rule"`
	// Below says that the rule decides below the path or the destination, where the
	// method acts as well.
	Below bool `json:"below,omitempty"`
	// Holds says that one of its alternatives does.
	Holds bool `json:"holds"`
	// Alternatives are in the order of the table; without any, the rule denies every
	// caller.
	Alternatives []ExplainedAlternative `json:"alternatives"`
}

// ExplainedAlternative is one of the ways in which a rule lets a caller in.
type ExplainedAlternative struct {
	// At is where it stands, file:line.
	At    string `json:"at"`
	Holds bool   `json:"holds"`
	// Nearest says that of all that fail it has the fewest conditions to go.
	Nearest    bool                 `json:"nearest,omitempty"`
	Conditions []ExplainedCondition `json:"conditions"`
}

// ExplainedCondition is a condition of an alternative.
type ExplainedCondition struct {
	// At is where it stands, file:line, or "".
	At string `json:"at"`
	// Name is its word, such as roles; Wanted is what the table says of it.
	Name   string `json:"condition"`
	Wanted string `json:"wanted"`
	// Holds says whether it does; Has is what the request has instead.
	Holds bool `json:"holds"`
	Has   any  `json:"has"`
}

// Explain returns what the table decides, with the reasons.
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
	if below := t.refusingBelow(q); e.Allow && below != nil {
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

// explain says which conditions hold. An upgrade that no condition names is one that
// fails.
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

// markNearest marks the first of the alternatives with the fewest conditions to go.
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
