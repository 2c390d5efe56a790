package accesstable

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"
)

// File is one access table as it was read.
type File struct {
	// Name is its path, for errors.
	Name string
	// Data is its YAML.
	Data []byte
}

// tableKeys are the keys at the top of a table.
var tableKeys = []string{"networks", "blocked", "default", "rules"}

// Parse compiles access tables. Names of networks are replaced, and no alternative is
// without a condition.
//
// Rules follow in the order of the files; networks and blocked add up; default
// may be in one file only. Nothing is taken from a file with a mistake in it:
// all mistakes are reported at once, with file, line and column. Warnings are of
// what is no mistake for certain.
func Parse(files []File) (table *Table, warnings []string, err error) {
	p := &parser{networks: map[string][]string{}, index: newIndex()}
	tables := p.readTables(files)
	for _, table := range tables {
		p.table = table
		p.parseNetworks(table.members["networks"])
	}
	for _, table := range tables {
		p.table = table
		p.parseBlocked(table.members["blocked"])
		p.parseDefault(table.members["default"])
		p.parseRules(table.members["rules"])
	}
	if err := p.err(); err != nil {
		return nil, nil, err
	}
	fallback := newRule(labelDefault)
	fallback.Allow = p.fallback
	return &Table{
		rules: p.rules, index: p.index, fallback: fallback,
		blocked: blocked{newWords(p.blockedUsers), newNetworks(p.blockedNetworks)},
	}, bounded(p.warnings, func(more int) string { return fmt.Sprintf("and %d more", more) }), nil
}

// tableFile is one file, taken apart at the top.
type tableFile struct {
	number  int    // among the files
	name    string // for errors
	label   string // for rules
	members map[string]*yaml.Node
}

// parser collects what the tables say, and what is wrong with them.
type parser struct {
	table           tableFile // the one that is being read
	problems        []problem
	warnings        []string
	networks        map[string][]string
	named           int // how many networks names stood for so far
	blockedUsers    []string
	blockedNetworks []string
	fallback        []Alternative
	defaulted       bool // a table has default
	rules           []*Rule
	index           *index
}

// problem is one mistake and where it is.
type problem struct {
	file, line, column int
	err                error
}

// problem notes a mistake at a node.
func (p *parser) problem(at *yaml.Node, format string, args ...any) {
	p.problems = append(p.problems, problem{
		file: p.table.number, line: at.Line, column: at.Column,
		err: fmt.Errorf("%s:%d:%d: %s", p.table.name, at.Line, at.Column, fmt.Sprintf(format, args...)),
	})
}

// at says where a node stands, for explanations.
func (p *parser) at(node *yaml.Node) string { return fmt.Sprintf("%s:%d", p.table.label, node.Line) }

// err returns the mistakes in the order in which they stand in the files, or nil.
func (p *parser) err() error {
	slices.SortStableFunc(p.problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	errs := make([]error, len(p.problems))
	for i, problem := range p.problems {
		errs[i] = problem.err
	}
	return errors.Join(bounded(errs, func(more int) error { return fmt.Errorf("and %d more", more) })...)
}

// maxErrors bounds how many mistakes are listed at once.
const maxErrors = 10

// bounded returns the first of a list, and how many more there are.
func bounded[T any](list []T, more func(int) T) []T {
	if len(list) > maxErrors {
		return append(list[:maxErrors:maxErrors], more(len(list)-maxErrors))
	}
	return list
}

// readTables takes the files apart at the top. Together they must say
// something: a table without any rule by mistake would be found late.
func (p *parser) readTables(files []File) []tableFile {
	tables := make([]tableFile, 0, len(files))
	said := len(files) == 0
	for number, file := range files {
		p.table = tableFile{number: number, name: file.Name, label: labelOf(files, file.Name), members: map[string]*yaml.Node{}}
		document := p.document(file.Data)
		if document == nil {
			said = true
			continue
		}
		for _, m := range p.members(document, "the table", tableKeys) {
			p.table.members[m.name] = m.value
			said = said || m.name != "networks"
		}
		tables = append(tables, p.table)
	}
	if !said && len(p.problems) == 0 {
		p.problem(&yaml.Node{Line: 1, Column: 1}, "the table says nothing; one that lets no caller in says rules: []")
	}
	return tables
}

// labelOf returns a file's name for labels of rules: the last part of it
// where that is clear.
func labelOf(files []File, name string) string {
	base := filepath.Base(name)
	for _, other := range files {
		if other.Name != name && filepath.Base(other.Name) == base {
			return name
		}
	}
	return base
}

func (p *parser) parseBlocked(node *yaml.Node) {
	for _, m := range p.members(node, "blocked", []string{"users", "networks"}) {
		switch m.name {
		case "users":
			for _, item := range p.plainTexts(m.value, "blocked users", true) {
				p.blockedUsers = append(p.blockedUsers, item.Value)
			}
		case "networks":
			p.blockedNetworks = append(p.blockedNetworks, p.namedNetworks(m.value, "blocked networks", true)...)
		}
	}
}

func (p *parser) parseDefault(node *yaml.Node) {
	if node == nil {
		return
	}
	if p.defaulted {
		p.problem(node, "default is in more than one table")
	}
	p.defaulted, p.fallback = true, p.alternatives(node, "default")
}
