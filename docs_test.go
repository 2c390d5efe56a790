package policyauth

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/test/citations"
)

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
			return citations.GoTests(path, holding)
		case strings.HasSuffix(path, "_test.rego"):
			return citations.RegoTests(path, holding)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	generated(t, "docs/SECURITY.md", table(holding))
	generated(t, "docs/requirements-coverage.md", coverage(requirements(t), holding))
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

// requirementForm is a heading of docs/requirements.md, or one of its lines.
var requirementForm = regexp.MustCompile(`(?m)^(?:## (.*)|\* \*\*([RTNS]-[A-Z0-9-]+)\*\* \S.*)$`)

// requirements returns the headings and ids of docs/requirements.md in order.
func requirements(t *testing.T) [][]string {
	t.Helper()
	text, err := os.ReadFile("docs/requirements.md")
	if err != nil {
		t.Fatal(err)
	}
	return requirementForm.FindAllStringSubmatch(string(text), -1)
}

// coverage writes the lines of each section but T with their tests, which
// docs/SECURITY.md has, and how many of those of standards have one.
func coverage(lines [][]string, holding map[string][]string) string {
	var out strings.Builder
	held, all := 0, 0
	for _, line := range lines {
		heading, id := line[1], line[2]
		switch {
		case strings.HasPrefix(heading, "T:") || strings.HasPrefix(id, "T-"):
			continue
		case heading != "":
			fmt.Fprintf(&out, "\n## %s\n\n| line | held by |\n|---|---|\n", heading)
			continue
		}
		tests := strings.Join(holding[id], "; ")
		if strings.HasPrefix(id, "R-") {
			all++
		}
		switch {
		case tests == "":
			tests = "– (no test yet)"
		case strings.HasPrefix(id, "R-"):
			held++
		}
		fmt.Fprintf(&out, "| %s | %s |\n", id, tests)
	}
	return fmt.Sprintf("%d of %d lines are held by a test.\n%s", held, all, out.String())
}

// TestRequirements: each id that code or a test cites stands in docs/requirements.md,
// once, and no line that is planned has a test.
func TestRequirements(t *testing.T) {
	known := map[string]bool{}
	for _, line := range requirements(t) {
		if id := line[2]; id != "" {
			if known[id] {
				t.Errorf("docs/requirements.md has %s twice", id)
			}
			known[id] = true
		}
	}
	cited := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !slices.Contains([]string{".go", ".rego"}, filepath.Ext(path)) {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		ids := append(citations.IDForm.FindAllString(string(content), -1), citations.CaseForm.FindAllString(string(content), -1)...)
		for _, match := range citations.NameForm.FindAllStringSubmatch(string(content), -1) {
			ids = append(ids, match[1]+"-"+match[2])
		}
		for _, id := range ids {
			if cited[id] = true; !known[id] {
				t.Errorf("%s cites %s, which docs/requirements.md does not have", path, id)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("docs/requirements.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range plannedForm.FindAllStringSubmatch(string(text), -1) {
		if cited[match[1]] {
			t.Errorf("docs/requirements.md says that %s is planned, but a test cites it", match[1])
		}
	}
	if len(cited) < 250 {
		t.Errorf("only %d ids are cited", len(cited))
	}
}

// plannedForm is a line of docs/requirements.md about what does not exist yet.
var plannedForm = regexp.MustCompile(`(?m)^\* \*\*([A-Z0-9-]+)\*\* \*Planned`)

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

// sortable puts T- before R-, N- and S-, and 9 before 10.
func sortable(id string) string {
	cut := strings.LastIndex(id, "-")
	prefix := map[byte]string{'T': "0", 'R': "1", 'N': "2", 'S': "3"}[id[0]]
	return fmt.Sprintf("%s%s%06s", prefix, id[:cut], id[cut+1:])
}
