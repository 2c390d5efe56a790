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

// tableStart and tableEnd enclose the generated part of a document.
const (
	tableStart = "<!-- the table below is written by: go test -run TestSecurityDoc -update . -->\n"
	tableEnd   = "<!-- end of the table -->\n"
)

// TestSecurityDoc holds that docs/SECURITY.md and docs/requirements-coverage.md
// list each test by the lines that it names.
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
	generated(t, "docs/SECURITY.md", table(holding))
	generated(t, "docs/requirements-coverage.md", coverage(holding))
}

// generated holds that a document has a text between its marks, or writes it there.
func generated(t *testing.T, name, text string) {
	t.Helper()
	want := tableStart + text + tableEnd
	doc, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(doc), tableStart)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !found || !ended {
		t.Fatalf("%s: the table's marks are missing", name)
	}
	if *update {
		if err := os.WriteFile(name, []byte(before+want+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Contains(doc, []byte(want)) {
		t.Errorf("%s is out of date: go test -run TestSecurityDoc -update .", name)
	}
}

// families are the groups of requirements, with where they come from and how
// many lines each has.
var families = []struct {
	name, source string
	lines        int
}{
	{"R-401", "status 401 (RFC 9110, sections 11 and 15.5.2)", 12},
	{"R-403", "status 403 and concealment (RFC 9110, section 15.5.4; RFC 6750, section 3.1)", 6},
	{"R-CH", "challenges (RFC 9110, section 11; RFC 7617; RFC 6750)", 12},
	{"R-CACHE", "caching and Vary (RFC 9111; RFC 9110, section 12.5.5)", 6},
	{"R-HTTP", "versions of HTTP (RFC 9113; RFC 9110)", 6},
	{"R-PAGE", "pages and problem documents (RFC 9457; RFC 9110, section 12)", 14},
	{"R-BR", "bearer tokens (RFC 6750)", 14},
	{"R-BA", "Basic (RFC 7617)", 10},
	{"R-KEY", "API keys", 4},
	{"R-JWT", "JSON Web Tokens (RFC 7515, 7519, 8725)", 21},
	{"R-JWK", "keys (RFC 7517, 7638, 8414; OpenID Connect Discovery)", 9},
	{"R-AT", "JWT access tokens (RFC 9068)", 5},
	{"R-INT", "introspection (RFC 7662)", 7},
	{"R-SU", "step-up (RFC 9470)", 5},
	{"R-PRM", "protected resource metadata (RFC 9728)", 8},
	{"R-DP", "DPoP (RFC 9449)", 10},
	{"R-MT", "client certificates (RFC 8705)", 6},
	{"R-OID", "sign-in by OpenID Connect", 17},
	{"R-LO", "sign-out", 5},
	{"R-CK", "cookies (RFC 6265bis)", 9},
	{"R-SES", "sessions", 7},
	{"R-CSRF", "requests that other sites make", 3},
	{"R-LOG", "logging (ASVS 16)", 4},
	{"R-CORS", "CORS (Fetch)", 24},
}

// coverage writes each family's lines with their tests, and which have none.
func coverage(holding map[string][]string) string {
	var out strings.Builder
	held, all := 0, 0
	for _, family := range families {
		fmt.Fprintf(&out, "\n## %s: %s\n\n| line | held by |\n|---|---|\n", family.name, family.source)
		for number := range family.lines {
			id := fmt.Sprintf("%s-%d", family.name, number+1)
			tests := strings.Join(holding[id], "; ")
			if all++; tests == "" {
				tests = "– (no test yet)"
			} else {
				held++
			}
			fmt.Fprintf(&out, "| %s | %s |\n", id, tests)
		}
	}
	return fmt.Sprintf("%d of %d lines are held by a test.\n%s", held, all, out.String())
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
