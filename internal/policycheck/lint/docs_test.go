package lint_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/policycheck/lint"
)

// block matches the code blocks of a section of docs/lints.md: the bad policy, the
// finding, the good policy.
var block = regexp.MustCompile("(?s)```(?:rego)?\n(.*?)```")

// TestDocs: the page has a section for each lint. The bad policy has exactly the finding
// on the page, the good one has none.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../../docs/lints.md")
	if err != nil {
		t.Fatal(err)
	}
	var codes []lint.Code
	for _, section := range strings.Split(string(page), "\n## ")[1:] {
		code, _, found := strings.Cut(section, ": ")
		if !found || !strings.HasPrefix(code, "PA") {
			continue
		}
		codes = append(codes, lint.Code(code))
		blocks := block.FindAllStringSubmatch(section, -1)
		if len(blocks) != 3 {
			t.Fatalf("%s has %d blocks", code, len(blocks))
		}
		if got := strings.Join(linted(t, map[string]string{"a.rego": blocks[0][1]}), "\n") + "\n"; got != blocks[1][1] || !strings.Contains(got, ": "+code+": ") {
			t.Errorf("%s: got %s", code, got)
		}
		if got := linted(t, map[string]string{"a.rego": blocks[2][1]}); len(got) > 0 {
			t.Errorf("%s: the good one: %q", code, got)
		}
	}
	if want := []lint.Code{lint.UnknownField, lint.Impossible, lint.UnknownWord, lint.UpperCase, lint.Misspelt, lint.WrongInput, lint.NegatedUnknown, lint.WrongDecision, lint.RedactedHeader, lint.UnknownRule, lint.MisspeltDecision}; !slices.Equal(codes, want) {
		t.Errorf("sections for %v, want %v", codes, want)
	}
}
