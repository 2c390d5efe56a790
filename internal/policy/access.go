package policy

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"
)

// accessFile is one access table as it was read.
type accessFile struct {
	name string
	data []byte
}

// accessKeys are the keys at the top of a table.
var accessKeys = []string{"networks", "blocked", "default", "rules"}

// parseAccess turns access tables into what stands at data.caddy.access_table
// for the package caddy.access: names of networks are replaced, hosts and paths
// are in an index, and no alternative is without a condition.
//
// Rules follow in the order of the files; networks and blocked add up; default
// may be in one file only. Nothing is taken from a file with a mistake in it:
// all mistakes are reported at once, with file, line and column. Warnings are of
// what is no mistake for certain.
func parseAccess(files []accessFile) (table map[string]any, warnings []string, err error) {
	p := &accessParser{networks: map[string][]any{}, blockedUsers: map[string]any{}, blockedNetworks: []any{}, rules: []any{}, index: newAccessIndex()}
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
	if p.fallback == nil {
		p.fallback = []any{}
	}
	return map[string]any{
		"rules":   p.rules,
		"index":   p.index.numbers,
		"below":   p.index.below,
		"hosts":   p.index.hosts,
		"domains": sortedKeys(p.index.domains),
		"depths":  sortedKeys(p.index.depths),
		"default": p.fallback,
		"blocked": map[string]any{"users": p.blockedUsers, "networks": p.blockedNetworks},
	}, boundedWarnings(p.warnings), nil
}

// accessTable is one file, taken apart at the top.
type accessTable struct {
	number  int    // among the files
	name    string // for errors
	label   string // for rules
	members map[string]*yaml.Node
}

// accessParser collects what the tables say, and what is wrong with them.
type accessParser struct {
	table           accessTable // the one that is being read
	problems        []accessProblem
	warnings        []string
	networks        map[string][]any
	named           int            // how many networks names stood for so far
	blockedUsers    map[string]any // to true
	blockedNetworks []any
	fallback        []any
	rules           []any
	index           *accessIndex
}

// accessProblem is one mistake and where it is.
type accessProblem struct {
	file, line, column int
	err                error
}

// problem notes a mistake at a node.
func (p *accessParser) problem(at *yaml.Node, format string, args ...any) {
	p.problems = append(p.problems, accessProblem{
		file: p.table.number, line: at.Line, column: at.Column,
		err: fmt.Errorf("%s:%d:%d: %s", p.table.name, at.Line, at.Column, fmt.Sprintf(format, args...)),
	})
}

// err returns the mistakes in the order in which they stand in the files, or nil.
func (p *accessParser) err() error {
	slices.SortStableFunc(p.problems, func(a, b accessProblem) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	errs := make([]error, len(p.problems))
	for i, problem := range p.problems {
		errs[i] = problem.err
	}
	return joinBounded(errs)
}

// readTables takes the files apart at the top. Together they must say
// something: a table without any rule by mistake would be found late.
func (p *accessParser) readTables(files []accessFile) []accessTable {
	tables := make([]accessTable, 0, len(files))
	said := len(files) == 0
	for number, file := range files {
		p.table = accessTable{number: number, name: file.name, label: accessLabel(files, file.name), members: map[string]*yaml.Node{}}
		document := p.document(file.data)
		if document == nil {
			said = true
			continue
		}
		for _, m := range p.members(document, "the table", accessKeys) {
			p.table.members[m.name] = m.value
			said = said || m.name != "networks"
		}
		tables = append(tables, p.table)
	}
	if !said && len(p.problems) == 0 {
		p.problem(&yaml.Node{Line: 1, Column: 1}, "the table says nothing; one that lets nobody in says rules: []")
	}
	return tables
}

// accessLabel returns a file's name for labels of rules: the last part of it
// where that is clear.
func accessLabel(files []accessFile, name string) string {
	base := filepath.Base(name)
	for _, other := range files {
		if other.name != name && filepath.Base(other.name) == base {
			return name
		}
	}
	return base
}

func (p *accessParser) parseBlocked(node *yaml.Node) {
	for _, m := range p.members(node, "blocked", []string{"users", "networks"}) {
		switch m.name {
		case "users":
			for _, item := range p.plainTexts(m.value, "blocked users", true) {
				p.blockedUsers[item.Value] = true
			}
		case "networks":
			p.blockedNetworks = append(p.blockedNetworks, p.namedNetworks(m.value, "blocked networks", true)...)
		}
	}
}

func (p *accessParser) parseDefault(node *yaml.Node) {
	if node == nil {
		return
	}
	if p.fallback != nil {
		p.problem(node, "default is in more than one table")
	}
	p.fallback = p.alternatives(node, "default")
}
