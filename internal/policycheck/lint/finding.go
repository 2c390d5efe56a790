package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Code names a lint; docs/lints.md has a section for each.
type Code string

// The lints.
const (
	// UnknownField is a field that the input document does not have.
	UnknownField Code = "PA001"
	// Impossible is a comparison of values of different types.
	Impossible Code = "PA002"
	// UnknownWord is a text that is not in the list of values of a field.
	UnknownWord Code = "PA003"
	// UpperCase is a text with upper-case letters for a field in lower case.
	UpperCase Code = "PA004"
	// Misspelt is a text that is nearly a usual value of a field.
	Misspelt Code = "PA005"
	// WrongInput is a test input that no server produces.
	WrongInput Code = "PA006"
	// NegatedUnknown is a not that also holds if a field is unknown.
	NegatedUnknown Code = "PA007"
	// WrongDecision is a decision of a type that allows no request.
	WrongDecision Code = "PA008"
	// RedactedHeader is a use of the text of a header that has a credential.
	RedactedHeader Code = "PA009"
	// UnknownRule is a reference to a rule that a built-in package does not have.
	UnknownRule Code = "PA010"
	// MisspeltDecision is a rule that no rule reads, with nearly the name of the decision.
	MisspeltDecision Code = "PA011"
)

// Severity is the effect of a finding.
type Severity int

const (
	// Warning is reported.
	Warning Severity = iota
	// Error rejects the policies: it is certainly a mistake.
	Error
)

// Finding is a mistake in a policy.
type Finding struct {
	// Code names the lint.
	Code Code
	// Severity is its effect.
	Severity Severity
	// Location is where the mistake is.
	Location *ast.Location
	// Message describes the mistake, with the bad word and the allowed ones.
	Message string

	sure bool // a mistake even if another definition of the function accepts the arguments
}

// String returns the finding as one line, beginning with file and line.
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", f.Location.File, f.Location.Row, f.Code, f.Message)
}

// order sorts findings by position and removes duplicates.
func order(findings []Finding) []Finding {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.Location.File, b.Location.File), cmp.Compare(a.Location.Row, b.Location.Row),
			cmp.Compare(a.Location.Col, b.Location.Col), strings.Compare(a.String(), b.String()))
	})
	return slices.CompactFunc(findings, func(a, b Finding) bool { return a.String() == b.String() })
}

// quoted formats a literal for a message, shortened if it is long.
func quoted(t *ast.Term) string {
	const most = 60
	text := []rune(t.String())
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}
