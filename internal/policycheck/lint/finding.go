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
	// UnknownField is a field that the contract has not.
	UnknownField Code = "PA001"
	// Impossible is a comparison whose sides can never be equal, or an order
	// between kinds.
	Impossible Code = "PA002"
	// UnknownWord is a text that a closed set has not.
	UnknownWord Code = "PA003"
	// UpperCase is a text with upper-case letters where all are lower-case.
	UpperCase Code = "PA004"
	// Misspelt is a text that is nearly one of the usual ones.
	Misspelt Code = "PA005"
	// WrongInput is a value that a policy is asked with and that no server gives.
	WrongInput Code = "PA006"
	// NegatedUnknown is a not that holds where the server could not tell.
	NegatedUnknown Code = "PA007"
	// WrongDecision is a decision of a kind that allows no request.
	WrongDecision Code = "PA008"
	// RedactedHeader is a credential's header that is taken for its text.
	RedactedHeader Code = "PA009"
)

// Severity is the effect of a finding.
type Severity int

const (
	// Warning is reported.
	Warning Severity = iota
	// Error refuses the policies: it can only be a mistake.
	Error
)

// Finding is one mistake in a policy.
type Finding struct {
	// Code names the lint.
	Code Code
	// Severity is its effect.
	Severity Severity
	// Location is where the mistake is.
	Location *ast.Location
	// Message describes the mistake, with the bad word and the allowed ones.
	Message string

	sure bool // whatever the other definitions of a function say
}

// String returns the finding as one line, beginning with file and line.
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", f.Location.File, f.Location.Row, f.Code, f.Message)
}

// order sorts findings by place and drops repeated ones.
func order(findings []Finding) []Finding {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.Location.File, b.Location.File), cmp.Compare(a.Location.Row, b.Location.Row),
			cmp.Compare(a.Location.Col, b.Location.Col), strings.Compare(a.String(), b.String()))
	})
	return slices.CompactFunc(findings, func(a, b Finding) bool { return a.String() == b.String() })
}

// quoted returns a literal for a message, cut if it is long.
func quoted(t *ast.Term) string {
	const most = 60
	text := []rune(t.String())
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}
