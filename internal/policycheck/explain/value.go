package explain

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Value is a value in JSON, or that there is none.
type Value struct{ text string }

// maxValue is how many bytes of a value are shown.
const maxValue = 300

// undefined is no value.
var undefined = Value{}

// String returns the value as JSON, "undefined" if there is none. A large one is
// cut.
func (v Value) String() string {
	switch {
	case v.text == "":
		return "undefined"
	case len(v.text) > maxValue:
		return strings.ToValidUTF8(v.text[:maxValue], "") + "…"
	}
	return v.text
}

// MarshalJSON writes the value itself; one that is undefined or large is text.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.text == "" || len(v.text) > maxValue {
		return json.Marshal(v.String())
	}
	return []byte(v.text), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (v *Value) UnmarshalJSON(text []byte) error {
	v.text = strings.Clone(string(text))
	if v.text == `"undefined"` {
		v.text = ""
	}
	return nil
}

// valueOf returns a term's value.
func valueOf(term *ast.Term) Value {
	if term == nil || !term.IsGround() {
		return undefined
	}
	native, err := ast.JSON(term.Value)
	if err != nil {
		return undefined
	}
	text, err := json.Marshal(native)
	if err != nil {
		return undefined
	}
	return Value{string(text)}
}

// find returns what is at a path below a value.
func find(root *ast.Term, path ast.Ref) Value {
	if root == nil {
		return undefined
	}
	value, err := root.Value.Find(path)
	if err != nil {
		return undefined
	}
	return valueOf(ast.NewTerm(value))
}

// values returns what a step failed with; that of several tries differs in what
// it iterated over.
func (s *step) values() []Named {
	all := slices.Concat(s.tries...)
	if _, every := s.expr.Terms.(*ast.Every); every {
		all = append(all, valuesWithin(s.asked)...)
	}
	return all
}

// valuesWithin returns what closures failed with.
func valuesWithin(closures []*attempt) []Named {
	var all []Named
	for _, a := range closures {
		if a.rule != nil {
			continue
		}
		for _, s := range a.order {
			all = append(append(all, slices.Concat(s.tries...)...), valuesWithin(s.asked)...)
		}
	}
	return all
}

// compact drops what stands twice, and what goes beyond a screen.
func compact(values []Named) []Named {
	var kept []Named
	for _, v := range values {
		if !slices.Contains(kept, v) && len(kept) < 12 {
			kept = append(kept, v)
		}
	}
	return kept
}

// oneLine joins the lines of a source.
func oneLine(text string) string {
	joined := strings.Join(strings.Fields(text), " ")
	if len(joined) > 80 {
		joined = fmt.Sprintf("%s…", strings.ToValidUTF8(joined[:80], ""))
	}
	return joined
}
