// Package citations finds the tests that cite requirements: the ids of
// docs/requirements.md in Go and Rego tests.
package citations

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// IDForm is the id of a line of the project's lists: what must never happen
// (T-…) and what the standards require (R-…).
var IDForm = regexp.MustCompile(`\b(T-[0-9]{2}|R-[A-Z0-9]+-[0-9]+)\b`)

var (
	// NameForm finds the id of a finding from outside (N-…) or of a rule that follows
	// from one (S-…) in the name of a test.
	NameForm = regexp.MustCompile(`(?:Test|Fuzz|_)([NS])([0-9]{2})`)
	// CaseForm finds such an id in the name of a case.
	CaseForm = regexp.MustCompile(`\b[NS]-[0-9]{2}\b`)
)

// rangeForm is two ids with "to" between them, which name those between them too.
var rangeForm = regexp.MustCompile(`\b(?:(T-)([0-9]{2}) to T-([0-9]{2})|(R-[A-Z0-9]+-)([0-9]+) to (R-[A-Z0-9]+-)([0-9]+))\b`)

// idsOf returns the T- and R- ids in a text, and all of a range, which is two ids with
// "to" between them. An error is a range that goes backwards or from one family to another.
func idsOf(text string) (ids []string, err error) {
	text = rangeForm.ReplaceAllStringFunc(text, func(found string) string {
		match := rangeForm.FindStringSubmatch(found)
		family, from, to, form := match[1], match[2], match[3], "%02d"
		if family == "" {
			family, from, to, form = match[4], match[5], match[7], "%d"
		}
		first, _ := strconv.Atoi(from)
		last, _ := strconv.Atoi(to)
		if match[4] != match[6] || last <= first {
			err = fmt.Errorf("%s is no range of ids", found)
		}
		for number := first; number <= last; number++ {
			ids = append(ids, fmt.Sprintf(family+form, number))
		}
		return ""
	})
	return append(ids, IDForm.FindAllString(text, -1)...), err
}

// GoTests adds the tests of a Go file by the ids that they name, and returns an
// error for an id that names no test: R- and T- ids stand in comment lines
// directly above a test or a case, N- and S- ids in the name of a test or a case.
func GoTests(path string, holding map[string][]string) error {
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, parser.ParseComments)
	if err != nil {
		return err
	}
	g := goFile{path: path, files: files, lines: strings.Split(string(source), "\n"), holding: holding}
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if ok && (strings.HasPrefix(function.Name.Name, "Test") || strings.HasPrefix(function.Name.Name, "Fuzz")) {
			g.tests = append(g.tests, function)
		}
	}
	for _, comment := range file.Comments {
		for _, line := range comment.List {
			g.comment(line)
		}
	}
	for _, test := range g.tests {
		g.names(test)
	}
	ast.Inspect(file, g.text)
	return errors.Join(g.wrong...)
}

// goFile is a Go file with tests, as the tables read it.
type goFile struct {
	path    string
	files   *token.FileSet
	lines   []string
	tests   []*ast.FuncDecl
	holding map[string][]string
	wrong   []error
}

// refuse notes ids that stand where they name no test.
func (g *goFile) refuse(at token.Pos, ids []string) {
	if len(ids) > 0 {
		g.wrong = append(g.wrong, fmt.Errorf("%s: %s: an id stands in a comment line directly above a test or case", g.files.Position(at), strings.Join(ids, " ")))
	}
}

// comment takes the ids of a comment for the test that it stands above or within.
func (g *goFile) comment(c *ast.Comment) {
	ids, err := idsOf(c.Text)
	if err != nil {
		g.wrong = append(g.wrong, fmt.Errorf("%s: %w", g.files.Position(c.Pos()), err))
	}
	if len(ids) == 0 {
		return
	}
	if line := g.lines[g.files.Position(c.Pos()).Line-1]; strings.HasPrefix(strings.TrimSpace(line), "//") {
		for _, test := range g.tests {
			if test.Doc != nil && test.Doc.Pos() <= c.Pos() && c.Pos() < test.Doc.End() || test.Pos() <= c.Pos() && c.Pos() < test.End() {
				g.hold(ids, test)
				return
			}
		}
		if g.aboveCase(g.files.Position(c.Pos()).Line) {
			g.holdAll(ids)
			return
		}
	}
	g.refuse(c.Pos(), ids)
}

// aboveCase reports whether the comment on a line stands above a case of a table
// outside a function.
func (g *goFile) aboveCase(line int) bool {
	for ; line < len(g.lines); line++ {
		text := strings.TrimSpace(g.lines[line])
		if !strings.HasPrefix(text, "//") {
			return strings.HasPrefix(text, "{") || strings.HasPrefix(text, `"`)
		}
	}
	return false
}

// names takes the ids of a test's name and of its cases' names.
func (g *goFile) names(test *ast.FuncDecl) {
	for _, match := range NameForm.FindAllStringSubmatch(test.Name.Name, -1) {
		g.hold([]string{match[1] + "-" + match[2]}, test)
	}
	ast.Inspect(test, func(node ast.Node) bool {
		if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			g.hold(CaseForm.FindAllString(literal.Value, -1), test)
		}
		return true
	})
}

// text refuses ids in texts, such as the names of cases.
func (g *goFile) text(node ast.Node) bool {
	if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
		g.refuse(literal.Pos(), IDForm.FindAllString(literal.Value, -1))
	}
	return true
}

func (g *goFile) hold(ids []string, test *ast.FuncDecl) {
	note(g.holding, ids, filepath.ToSlash(filepath.Dir(g.path))+": "+test.Name.Name)
}

// holdAll takes ids for the file, whose tests share a table.
func (g *goFile) holdAll(ids []string) {
	note(g.holding, ids, filepath.ToSlash(g.path))
}

// RegoTests adds the tests of a Rego file: an id in a comment line counts for the
// next test.
func RegoTests(path string, holding map[string][]string) error {
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var pending []string
	for i, line := range strings.Split(string(source), "\n") {
		ids, err := idsOf(line)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", path, i+1, err)
		}
		ids = append(ids, CaseForm.FindAllString(line, -1)...)
		if len(ids) > 0 && !strings.HasPrefix(line, "#") {
			return fmt.Errorf("%s:%d: %s: an id stands in a comment line directly above a test", path, i+1, strings.Join(ids, " "))
		}
		pending = append(pending, ids...)
		if name, _, ok := strings.Cut(line, " if"); ok && strings.HasPrefix(name, "test_") {
			note(holding, pending, filepath.ToSlash(filepath.Dir(path))+": "+name)
			pending = nil
		}
	}
	return nil
}

func note(holding map[string][]string, ids []string, test string) {
	for _, id := range ids {
		if !slices.Contains(holding[id], test) {
			holding[id] = append(holding[id], test)
		}
	}
}
