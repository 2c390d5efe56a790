package authenticator

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"
)

// TestReasons: the list has every constant.
func TestReasons(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if literal, ok := spec.Values[0].(*ast.BasicLit); ok && spec.Names[0].Name != "ReasonNone" {
			count++
			if word, err := strconv.Unquote(literal.Value); err != nil || !slices.Contains(Reasons(), Reason(word)) {
				t.Errorf("%s is not in the list", spec.Names[0].Name)
			}
		}
		return true
	})
	if count != len(Reasons()) {
		t.Errorf("%d constants, %d in the list", count, len(Reasons()))
	}
}
