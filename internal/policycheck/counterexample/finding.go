package counterexample

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Kind is the kind of a change.
type Kind string

// The kinds of changes to a request.
const (
	// Missing removes a member.
	Missing Kind = "missing"
	// Empty empties a field, a list or an object.
	Empty Kind = "empty"
	// Unknown makes a field unknown: it is empty, and identity.unknown lists it.
	Unknown Kind = "unknown"
	// Broken makes a call of a built-in function undefined.
	Broken Kind = "broken_call"
)

// Finding is a denial that becomes an allow.
type Finding struct {
	// Kind is the kind of change, Change describes it.
	Kind   Kind   `json:"kind"`
	Change string `json:"change"`
	// Not is true if a not allows the request.
	Not bool `json:"not"`
	// File and Line are the position of the condition or the rule that allows the request,
	// Text is its first line.
	File string `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
	// Since is the position of the rule that no longer holds, or "".
	Since string `json:"since,omitempty"`
	// Sample is the name of the first sample that is allowed, Input the sample before the
	// change, Samples the number of such samples.
	Sample  string         `json:"sample"`
	Input   map[string]any `json:"input"`
	Samples int            `json:"samples"`

	at   *ast.Location
	path []string       // that was changed
	read map[string]any // of the input
}

// String formats the finding as two lines, the first of which begins with file and line.
func (f Finding) String() string {
	line := fmt.Sprintf("%s:%d: a denial becomes an allow %s: %s", f.File, f.Line, f.Change, f.Text)
	if f.Since != "" {
		line += ", since " + f.Since + " does not hold any more"
	}
	return line + "\n\t" + f.Sample + f.more() + ": " + f.reading()
}

// more says how many more samples there are.
func (f Finding) more() string {
	if f.Samples > 1 {
		return fmt.Sprintf(" and %d more", f.Samples-1)
	}
	return ""
}

// reading returns what the policies read of the sample, cut if it is long.
func (f Finding) reading() string {
	const most = 300
	content, _ := json.Marshal(f.read)
	if text := []rune(string(content)); len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(content)
}

// find records what allows a sample, once for each position and change.
func (s *search) find(sample Sample, c change, p pivot) {
	if p.at == nil || !s.Files[p.at.File] {
		return
	}
	key := fmt.Sprintf("%s:%d:%d %s", p.at.File, p.at.Row, p.at.Col, c.what)
	if known := s.found[key]; known != nil {
		known.Samples++
		return
	}
	finding := &Finding{
		Kind: c.kind, Change: c.what, Not: p.not, File: p.at.File, Line: p.at.Row, Text: p.text,
		Sample: sample.Name, Input: sample.Input, Samples: 1, at: p.at, path: c.path(), read: s.read(sample.Input),
	}
	if p.lost != nil && p.lost.Location.HasFile() && p.lost.Location != p.at {
		finding.Since = fmt.Sprintf("%s:%d", p.lost.Location.File, p.lost.Location.Row)
	}
	s.found[key] = finding
}

// order sorts findings: those about not first, then by place. What is found for
// a member is not told again for the object that it was in.
func order(found map[string]*Finding) []Finding {
	all := slices.Collect(maps.Values(found))
	findings := []Finding{}
	for _, f := range all {
		if !slices.ContainsFunc(all, func(other *Finding) bool { return other.within(f) }) {
			findings = append(findings, *f)
		}
	}
	rank := map[bool]int{true: 0, false: 1}
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank[a.Not], rank[b.Not]), strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.at.Col, b.at.Col), strings.Compare(a.Change, b.Change))
	})
	return findings
}

// within reports whether a finding is about a member of the value that another finding of
// the same position is about.
func (f *Finding) within(whole *Finding) bool {
	return f.at == whole.at && len(f.path) > len(whole.path) && len(whole.path) > 0 && slices.Equal(f.path[:len(whole.path)], whole.path)
}
