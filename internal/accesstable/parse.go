package accesstable

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"
)

// File is an access table that is not parsed yet.
type File struct {
	// Name is the path of the file, for errors.
	Name string
	// Data is the content, YAML.
	Data []byte
}

// tableKeys are the keys at the top of a table.
var tableKeys = []string{"networks", "blocked", "default", "rules"}

// Parse compiles access tables. It replaces names of networks by their prefixes and
// rejects alternatives without a condition.
//
// Rules keep the order of the files; networks and blocked of all files are combined;
// only one file may have default. If a file has a mistake, Parse fails and reports all
// mistakes at once, with file, line and column. Warnings are about tables that are
// valid but probably not what you meant.
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
	table = &Table{
		rules: p.rules, index: p.index, fallback: fallback, maxAges: p.maxAges,
		blocked: blocked{newWords(p.blockedUsers), newNetworks(p.blockedNetworks)},
	}
	table.findTools()
	return table, bounded(p.warnings, func(more int) string { return fmt.Sprintf("and %d more", more) }), nil
}

// tableFile is a file, split into its top-level members.
type tableFile struct {
	number  int    // among the files
	name    string // for errors
	label   string // for rules
	members map[string]*yaml.Node
}

// parser collects the contents of the tables, and their mistakes.
type parser struct {
	table           tableFile // the file being parsed
	problems        []problem
	warnings        []string
	networks        map[string][]string
	named           int // number of prefixes that names were replaced by so far
	blockedUsers    []string
	blockedNetworks []string
	fallback        []Alternative
	defaulted       bool    // a table has a default
	maxAges         []int64 // sorted
	rules           []*Rule
	index           *index
}

// problem is a mistake and its position.
type problem struct {
	file, line, column int
	err                error
}

// problem records a mistake at a node.
func (p *parser) problem(at *yaml.Node, format string, args ...any) {
	p.problems = append(p.problems, problem{
		file: p.table.number, line: at.Line, column: at.Column,
		err: fmt.Errorf("%s:%d:%d: %s", p.table.name, at.Line, at.Column, fmt.Sprintf(format, args...)),
	})
}

// at returns the position of a node, file:line, for explanations.
func (p *parser) at(node *yaml.Node) string { return fmt.Sprintf("%s:%d", p.table.label, node.Line) }

// err returns the mistakes, sorted by file and position, or nil.
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

// maxErrors is the maximum number of mistakes that are listed.
const maxErrors = 10

// bounded shortens a list to maxErrors items and one that counts the others.
func bounded[T any](list []T, more func(int) T) []T {
	if len(list) > maxErrors {
		return append(list[:maxErrors:maxErrors], more(len(list)-maxErrors))
	}
	return list
}

// readTables splits the files into their top-level members. At least one file must have
// more than networks: a table without rules denies every caller, and is more likely a
// mistake.
func (p *parser) readTables(files []File) []tableFile {
	tables := make([]tableFile, 0, len(files))
	decides := len(files) == 0
	for number, file := range files {
		p.table = tableFile{number: number, name: file.Name, label: labelOf(files, file.Name), members: map[string]*yaml.Node{}}
		document := p.document(file.Data)
		if document == nil {
			decides = true
			continue
		}
		for _, m := range p.members(document, "the table", tableKeys) {
			p.table.members[m.name] = m.value
			decides = decides || m.name != "networks"
		}
		tables = append(tables, p.table)
	}
	if !decides && len(p.problems) == 0 {
		p.problem(&yaml.Node{Line: 1, Column: 1}, "the table has neither rules, default nor blocked; to deny every caller, write rules: []")
	}
	return tables
}

// labelOf returns the name of a file in the labels of its rules: the base name, or the
// whole path if another file has the same base name.
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
		p.problem(node, "default: another table has one already; only one table may")
	}
	p.defaulted, p.fallback = true, p.alternatives(node, "default")
}
