package bundle

import (
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// TestSharing: what is equal is one term, and what is written in another way
// stays as it is written.
func TestSharing(t *testing.T) {
	tests := []struct {
		name, document string
		same           bool
	}{
		{"strings", `{"a": "x", "b": "x"}`, true},
		{"other strings", `{"a": "x", "b": "y"}`, false},
		{"numbers", `{"a": 17, "b": 17}`, true},
		{"numbers with other digits", `{"a": 1, "b": 1.0}`, false},
		{"a number and its text", `{"a": 1, "b": "1"}`, false},
		{"lists", `{"a": ["x", 1, null, true], "b": ["x", 1, null, true]}`, true},
		{"lists in another order", `{"a": ["x", "y"], "b": ["y", "x"]}`, false},
		{"lists of numbers with other digits", `{"a": [1], "b": [1.0]}`, false},
		{"longer lists", `{"a": ["x"], "b": ["x", "x"]}`, false},
		{"objects", `{"a": {"x": [1], "y": {}}, "b": {"y": {}, "x": [1]}}`, true},
		{"objects of other names", `{"a": {"x": 1}, "b": {"y": 1}}`, false},
		{"objects of other values", `{"a": {"x": 1}, "b": {"x": 2}}`, false},
		{"objects with other digits", `{"a": {"x": [1]}, "b": {"x": [1.0]}}`, false},
		{"an empty list and an empty object", `{"a": [], "b": {}}`, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			object := built(t, test.document)
			a, b := object.Get(ast.StringTerm("a")), object.Get(ast.StringTerm("b"))
			if (a == b) != test.same {
				t.Errorf("%v and %v", a, b)
			}
			want, err := ast.InterfaceToValue(decoded(t, test.document))
			if err != nil || object.String() != want.String() || object.Hash() != want.Hash() {
				t.Errorf("got %v, want %v, %v", object, want, err)
			}
		})
	}
}
