// Package counterexample searches for requests that policies deny, and allow once something
// is missing: a claim that the token lacks, an empty list, a built-in function without a
// result. Most findings are a not whose condition is undefined then.
//
// Search is a pure function of compiled rules, of a function that evaluates them and of
// samples of input. docs/check.md describes what it tries.
package counterexample

import (
	"context"
	"encoding/json"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Policies are the policies to search.
type Policies struct {
	// Compiler has compiled the policies. No other code may use it, because the search
	// changes calls in its rules.
	Compiler *ast.Compiler
	// Decision is the path of the decision.
	Decision ast.Ref
	// Files are the names of the modules in which findings are reported. The others are
	// only evaluated.
	Files map[string]bool
	// Reads reports whether the decision may read the field at a dotted path of input.
	Reads func(path string) bool
	// Ask evaluates the policies and reports whether an input is allowed. The tracer may
	// be nil.
	Ask func(ctx context.Context, input ast.Value, tracer topdown.QueryTracer) bool
}

// Sample is an input that the search starts with.
type Sample struct {
	// Name says where the sample is from.
	Name string
	// Input is a complete document, as decoded JSON. The search does not modify it.
	Input map[string]any
}

// Options limit the search.
type Options struct {
	// Evaluations is the maximum number of evaluations. Default: 100,000.
	Evaluations int
	// Progress is called with the number of evaluations every 5,000. It may be nil.
	Progress func(evaluations int)
}

// Report is the result of a search.
type Report struct {
	// Findings are sorted by file and line, those in which a not allows first.
	Findings []Finding `json:"findings"`
	// Samples is the number of different inputs that the search started with, Denied the
	// number of those that are denied and were changed.
	Samples int `json:"samples"`
	Denied  int `json:"denied"`
	// Evaluations is the number of evaluations.
	Evaluations int `json:"evaluations"`
	// Complete is false if the search reached its limit.
	Complete bool `json:"complete"`
}

const (
	// defaultEvaluations is the default limit; one evaluation takes some ten microseconds.
	defaultEvaluations = 100_000
	// stride is the number of evaluations between two calls of Progress.
	stride = 5000
)

// Search changes one thing at a time in each denied sample, makes one call of a built-in
// function at a time undefined, and reports what allows the sample.
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

// search is the state of a search.
type search struct {
	Policies
	options     Options
	ctx         context.Context
	rules       []*ast.Rule
	seen        map[string]bool // inputs, as far as they are read
	found       map[string]*Finding
	evaluations int
}

// over reports whether the limit of evaluations is reached.
func (s *search) over() bool {
	return s.evaluations >= s.options.Evaluations || s.ctx.Err() != nil
}

// ask evaluates the policies for an input. Beyond the limit it returns a denial.
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

// denied returns the samples that are denied, without duplicates.
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

// key returns a text that is equal for inputs that are equal to the policies.
func (s *search) key(input map[string]any) string {
	text, _ := json.Marshal(s.read(input))
	return string(text)
}

// read returns the fields of an input that the policies may read, by path.
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

// try evaluates a changed sample.
func (s *search) try(sample Sample, c change) {
	changed := c.apply(sample.Input)
	if !s.ask(changed, nil) {
		return
	}
	before, after := s.trace(sample.Input), s.trace(changed)
	s.find(sample, c, part(before, after))
}

// breakCalls evaluates each sample with each of the calls that it reaches undefined.
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

// tryBroken evaluates a sample with an undefined call.
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
