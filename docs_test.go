package policyauth

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// idForm is the id of a line of the project's lists: what must never happen
// (T-…) and what the standards require (R-…).
var idForm = regexp.MustCompile(`\b(T-[0-9]{2}|R-[A-Z0-9]+-[0-9]+)\b`)

// tableStart and tableEnd enclose the generated part of docs/SECURITY.md.
const (
	tableStart = "<!-- the table below is written by: go test -run TestSecurityDoc -update . -->\n"
	tableEnd   = "<!-- end of the table -->\n"
)

// TestSecurityDoc holds that docs/SECURITY.md lists each test by the lines that
// it names.
func TestSecurityDoc(t *testing.T) {
	holding := map[string][]string{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || entry.IsDir():
			return err
		case strings.HasSuffix(path, "_test.go"):
			return goTests(path, holding)
		case strings.HasSuffix(path, "_test.rego"):
			return regoTests(path, holding)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := tableStart + table(holding) + tableEnd
	const name = "docs/SECURITY.md"
	doc, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(doc), tableStart)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !found || !ended {
		t.Fatal("the table's marks are missing")
	}
	if *update {
		if err := os.WriteFile(name, []byte(before+want+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Contains(doc, []byte(want)) {
		t.Error("the table is out of date: go test -run TestSecurityDoc -update .")
	}
}

// goTests adds the tests of a Go file by the ids in their text.
func goTests(path string, holding map[string][]string) error {
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, parser.ParseComments)
	if err != nil {
		return err
	}
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || !strings.HasPrefix(function.Name.Name, "Test") && !strings.HasPrefix(function.Name.Name, "Fuzz") {
			continue
		}
		start := function.Pos()
		if function.Doc != nil {
			start = function.Doc.Pos()
		}
		text := source[files.Position(start).Offset:files.Position(function.End()).Offset]
		note(holding, string(text), filepath.ToSlash(filepath.Dir(path))+": "+function.Name.Name)
	}
	return nil
}

// regoTests adds the tests of a Rego file: an id counts for the next test.
func regoTests(path string, holding map[string][]string) error {
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	pending := ""
	for _, line := range strings.Split(string(source), "\n") {
		pending += line + "\n"
		if name, _, ok := strings.Cut(line, " if"); ok && strings.HasPrefix(name, "test_") {
			note(holding, pending, filepath.ToSlash(filepath.Dir(path))+": "+name)
			pending = ""
		}
	}
	return nil
}

func note(holding map[string][]string, text, test string) {
	for _, id := range idForm.FindAllString(text, -1) {
		if !slices.Contains(holding[id], test) {
			holding[id] = append(holding[id], test)
		}
	}
}

// table writes the lines in order, each with its tests.
func table(holding map[string][]string) string {
	var ids []string
	for id := range holding {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int { return strings.Compare(sortable(a), sortable(b)) })
	var out strings.Builder
	out.WriteString("| line | held by |\n|---|---|\n")
	for _, id := range ids {
		slices.Sort(holding[id])
		fmt.Fprintf(&out, "| %s | %s |\n", id, strings.Join(holding[id], "; "))
	}
	return out.String()
}

// sortable puts T- before R-, and 9 before 10.
func sortable(id string) string {
	cut := strings.LastIndex(id, "-")
	prefix := map[byte]string{'T': "0", 'R': "1"}[id[0]]
	return fmt.Sprintf("%s%s%06s", prefix, id[:cut], id[cut+1:])
}
