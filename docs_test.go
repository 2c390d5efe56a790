package policyauth

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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
	generated(t, "docs/requirements-coverage.md", coverage(holding)+numbered(holding))
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

// found are the numbers of the lines that were found from outside (N-…), by
// their groups, and safety the number of rules for what was built since (S-…).
var found = [][2]int{{1, 10}, {11, 20}, {21, 34}, {41, 48}, {51, 60}, {61, 65}}

const safety = 42

// numbered writes the N- and S- lines with their tests.
func numbered(holding map[string][]string) string {
	var out strings.Builder
	row := func(id string) {
		tests := strings.Join(holding[id], "; ")
		if tests == "" {
			tests = "– (no test yet)"
		}
		fmt.Fprintf(&out, "| %s | %s |\n", id, tests)
	}
	out.WriteString("\n## N: found from outside\n\n| line | held by |\n|---|---|\n")
	for _, group := range found {
		for number := group[0]; number <= group[1]; number++ {
			row(fmt.Sprintf("N-%02d", number))
		}
	}
	out.WriteString("\n## S: rules for what was built since\n\n| line | held by |\n|---|---|\n")
	for number := range safety {
		row(fmt.Sprintf("S-%02d", number+1))
	}
	return out.String()
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
