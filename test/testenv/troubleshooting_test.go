package testenv

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rowForm is the first cell of a row of Markdown that is a word.
var rowForm = regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\|")

// TestTroubleshooting: docs/troubleshooting.md explains each reason and each code
// that answers and logs have, once, and no other.
func TestTroubleshooting(t *testing.T) {
	page, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "\n## Reasons\n")
	reasons, codes, found := strings.Cut(rest, "\n## Codes\n")
	if !found {
		t.Fatal("the headings Reasons and Codes are missing")
	}
	constants := constants(t)
	compare(t, "reason", reasons, slices.Concat(constants["Reason"], constants["Cause"]))
	compare(t, "code", codes, slices.Concat(constants["Flag"], constants["BodyProblem"], constants["code"]))
}

// TestLogMessages: the log's messages that the documents tell operators to look for are
// those that there are.
func TestLogMessages(t *testing.T) {
	var sources, pages strings.Builder
	for dir, into := range map[string]*strings.Builder{"../../internal": &sources, "../../docs": &pages} {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			into.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, message := range []string{
		"request refused", "sign-in refused", "policies loaded", "policies not taken", "preflight refused by cors", "origin not allowed by cors",
	} {
		if !strings.Contains(sources.String(), `"`+message) || !strings.Contains(pages.String(), "`"+message+"`") {
			t.Errorf("%q is not in both the log and the documents", message)
		}
	}
}

// compare holds that the rows of a part of the page are the words that there are.
func compare(t *testing.T, kind, text string, want []string) {
	t.Helper()
	var rows []string
	for _, match := range rowForm.FindAllStringSubmatch(text, -1) {
		if slices.Contains(rows, match[1]) {
			t.Errorf("the %s %s has two rows", kind, match[1])
		}
		rows = append(rows, match[1])
		if !slices.Contains(want, match[1]) {
			t.Errorf("there is no %s %s", kind, match[1])
		}
	}
	for _, word := range want {
		if !slices.Contains(rows, word) {
			t.Errorf("the %s %s has no row", kind, word)
		}
	}
}

// constants returns the texts of the project's constants of the types Reason, Cause,
// Flag and BodyProblem, and as "code" those whose names begin with code. What an
// unexported BodyProblem says does not leave its package.
func constants(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, declaration := range file.Decls {
			if block, ok := declaration.(*ast.GenDecl); ok && block.Tok == token.CONST {
				collect(t, block, found)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"Reason", "Cause", "Flag", "BodyProblem", "code"} {
		if len(found[kind]) == 0 {
			t.Errorf("no constants of the kind %s", kind)
		}
	}
	return found
}

func collect(t *testing.T, block *ast.GenDecl, found map[string][]string) {
	for _, spec := range block.Specs {
		value := spec.(*ast.ValueSpec)
		name, kind := value.Names[0].Name, ""
		if named, ok := value.Type.(*ast.Ident); ok {
			kind = named.Name
		}
		switch {
		case strings.HasPrefix(strings.ToLower(name), "code"):
			kind = "code"
		case kind == "BodyProblem" && !value.Names[0].IsExported(), !slices.Contains([]string{"Reason", "Cause", "Flag", "BodyProblem"}, kind):
			continue
		}
		literal, ok := value.Values[0].(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			continue
		}
		word, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		if word != "" {
			found[kind] = append(found[kind], word)
		}
	}
}
