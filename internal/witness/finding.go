package witness

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Kind says what was done to a request.
type Kind string

// What is done to requests.
const (
	// Missing takes a member away.
	Missing Kind = "missing"
	// Empty leaves nothing in a field, a list or an object.
	Empty Kind = "empty"
	// Broken leaves a call of a built-in function without an answer.
	Broken Kind = "broken_call"
)

// Finding is a denial that becomes an allow.
type Finding struct {
	// Kind says what was done, Change says it in words.
	Kind   Kind   `json:"kind"`
	Change string `json:"change"`
	// Not says that a not let the request in.
	Not bool `json:"not"`
	// File and Line are where the condition or the rule is that did it, and Text
	// is the first line of it.
	File string `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
	// Since is the rule that does not hold any more, with file and line, or "".
	Since string `json:"since,omitempty"`
	// Sample is where the first request is from that this lets in, Input that
	// request before the change, Samples how many there are.
	Sample  string         `json:"sample"`
	Input   map[string]any `json:"input"`
	Samples int            `json:"samples"`
}

// String says it in one line, beginning with file and line.
func (f Finding) String() string {
	line := fmt.Sprintf("%s:%d: a denial becomes an allow %s: %s", f.File, f.Line, f.Change, f.Text)
	if f.Since != "" {
		line += ", since " + f.Since + " does not hold any more"
	}
	return line + " (" + f.Sample + f.more() + ")"
}

// more says how many more samples there are.
func (f Finding) more() string {
	if f.Samples > 1 {
		return fmt.Sprintf(" and %d more", f.Samples-1)
	}
	return ""
}

// find notes what let a sample in, once for each place and change.
func (s *search) find(sample Sample, kind Kind, change string, before, after *trace) {
	p := part(before, after)
	if p.at == nil || !s.Files[p.at.File] {
		return
	}
	key := fmt.Sprintf("%s:%d:%d %s", p.at.File, p.at.Row, p.at.Col, change)
	if known := s.found[key]; known != nil {
		known.Samples++
		return
	}
	finding := &Finding{
		Kind: kind, Change: change, Not: p.not, File: p.at.File, Line: p.at.Row, Text: p.text,
		Sample: sample.Name, Input: sample.Input, Samples: 1,
	}
	if p.lost != nil && p.lost.Location.HasFile() && p.lost.Location != p.at {
		finding.Since = fmt.Sprintf("%s:%d", p.lost.Location.File, p.lost.Location.Row)
	}
	s.found[key] = finding
}

// order sorts findings: those about not first, then by place.
func order(found map[string]*Finding) []Finding {
	findings := []Finding{}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		findings = append(findings, *found[key])
	}
	rank := map[bool]int{true: 0, false: 1}
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank[a.Not], rank[b.Not]), strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Change, b.Change))
	})
	return findings
}
