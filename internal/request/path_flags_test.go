package request

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"
)

// TestPathFlags: the list of a path's flags has every constant.
func TestPathFlags(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "path_flags.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Flag" {
			return true
		}
		count++
		if word, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value); err != nil || !slices.Contains(pathFlags, Flag(word)) {
			t.Errorf("%s is not in the list", spec.Names[0].Name)
		}
		return true
	})
	if count != len(pathFlags) {
		t.Errorf("%d constants, %d in the list", count, len(pathFlags))
	}
}
