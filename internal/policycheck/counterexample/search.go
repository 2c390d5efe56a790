// Package counterexample looks for requests that policies refuse and that they let in
// once something is missing: a claim that a token lacks, a list that is empty, a
// built-in function that cannot say. Most of what it finds is a not whose
// condition without an answer.
//
// It is pure: compiled rules, a function that asks them and samples of input go
// in, findings come out. docs/check.md says what is tried and what is not.
package counterexample

import (
	"context"
	"encoding/json"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Policies are what is searched.
type Policies struct {
	// Compiler has compiled the policies and is used by no other code: calls in its
	// rules are broken while the search goes on.
	Compiler *ast.Compiler
	// Decision is the rule that decides.
	Decision ast.Ref
	// Files are the names of the modules whose mistakes are reported. The others are
	// evaluated too.
	Files map[string]bool
	// Reads reports whether the decision may read what is at a dotted path of input.
	Reads func(path string) bool
	// Ask reports whether an input is allowed. The tracer is nil if none is needed.
	Ask func(ctx context.Context, input ast.Value, tracer topdown.QueryTracer) bool
}

// Sample is an input to begin with.
type Sample struct {
	// Name says where it is from.
	Name string
	// Input is a whole document, as decoded JSON. It is not written to.
	Input map[string]any
}

// Options bound the search.
type Options struct {
	// Evaluations is how many requests may be asked about; 0 means 100,000.
	Evaluations int
	// Progress is called now and then with their number. It may be nil.
	Progress func(evaluations int)
}

// Report is what was found.
type Report struct {
	// Findings are those about not first, each in the order of files and lines.
	Findings []Finding `json:"findings"`
	// Samples is how many different inputs the search began with, Denied how many
	// of them are refused: what is changed in those.
	Samples int `json:"samples"`
	Denied  int `json:"denied"`
	// Evaluations is how many requests the policies were asked about.
	Evaluations int `json:"evaluations"`
	// Complete is false if the search was cut off before all was tried.
	Complete bool `json:"complete"`
}

const (
	// defaultEvaluations bounds a search; one takes some ten microseconds.
	defaultEvaluations = 100_000
	// stride is how many evaluations go by from one word of progress to the next.
	stride = 5000
)

// Search changes the samples that are refused in one place each, breaks one call
// of a built-in function after the other, and tells what lets them in.
func Search(ctx context.Context, policies Policies, samples []Sample, options Options) Report {
	if options.Evaluations == 0 {
		options.Evaluations = defaultEvaluations
	}
	s := &search{
		Policies: policies, options: options, ctx: ctx, rules: reachable(policies.Compiler, policies.Decision),
		seen: map[string]bool{}, found: map[string]*Finding{},
	}
	denied := s.denied(samples)
	for _, sample := range denied {
		for _, change := range s.changes(sample.Input) {
			s.try(sample, change)
		}
	}
	s.breakCalls(denied)
	return Report{
		Findings: order(s.found), Samples: len(s.seen), Denied: len(denied),
		Evaluations: s.evaluations, Complete: !s.over(),
	}
}

// search is one search under way.
type search struct {
	Policies
	options     Options
	ctx         context.Context
	rules       []*ast.Rule
	seen        map[string]bool // inputs, as far as they are read
	found       map[string]*Finding
	evaluations int
}

// over reports whether no more may be asked.
func (s *search) over() bool {
	return s.evaluations >= s.options.Evaluations || s.ctx.Err() != nil
}

// ask asks the policies about an input. What is asked when all is over is refused.
func (s *search) ask(input map[string]any, tracer topdown.QueryTracer) bool {
	if s.over() {
		return false
	}
	s.evaluations++
	if s.options.Progress != nil && s.evaluations%stride == 0 {
		s.options.Progress(s.evaluations)
	}
	value, err := ast.InterfaceToValue(input)
	return err == nil && s.Ask(s.ctx, value, tracer)
}

// denied returns the samples that are refused, each once.
func (s *search) denied(samples []Sample) []Sample {
	var denied []Sample
	for _, sample := range samples {
		key := s.key(sample.Input)
		if s.seen[key] || s.over() {
			continue
		}
		s.seen[key] = true
		if !s.ask(sample.Input, nil) {
			denied = append(denied, sample)
		}
	}
	return denied
}

// key is what tells inputs apart for the policies.
func (s *search) key(input map[string]any) string {
	text, _ := json.Marshal(s.read(input))
	return string(text)
}

// read returns what the policies may read of an input, by paths.
func (s *search) read(input map[string]any) map[string]any {
	read := map[string]any{}
	for section, value := range input {
		members, ok := value.(map[string]any)
		if !ok && s.Reads(section) {
			read[section] = value
		}
		for name, member := range members {
			if path := section + "." + name; s.Reads(path) {
				read[path] = member
			}
		}
	}
	return read
}

// try asks about a changed sample.
func (s *search) try(sample Sample, c change) {
	changed := c.apply(sample.Input)
	if !s.ask(changed, nil) {
		return
	}
	before, after := s.trace(sample.Input), s.trace(changed)
	s.find(sample, c, part(before, after))
}

// breakCalls asks about each sample while each of the calls that it comes to is
// broken.
func (s *search) breakCalls(denied []Sample) {
	calls := breakable(s.rules)
	for _, sample := range denied {
		if len(calls) == 0 || s.over() {
			return
		}
		come := s.trace(sample.Input)
		for _, call := range calls {
			if come.times[call.expr] > 0 {
				s.tryBroken(sample, call)
			}
		}
	}
}

// tryBroken asks about a sample while a call is broken.
func (s *search) tryBroken(sample Sample, c *call) {
	mend := c.cut()
	allowed := s.ask(sample.Input, nil)
	mend()
	if !allowed {
		return
	}
	before := s.trace(sample.Input)
	mend = c.cut()
	after := s.trace(sample.Input)
	mend()
	s.find(sample, change{kind: Broken, what: c.what()}, part(before, after))
}
