package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

// dataNames are the data files of a bundle root; each one's directory is where
// its content stands below data.
var dataNames = []string{"data.json", "data.yaml", "data.yml"}

// readData adds a data file, whose name is relative to the source.
func (l *Loader) readData(s *source, path, name string, content []byte) error {
	document, err := l.documents.of(path, content, func() (ast.Object, error) {
		document, err := DecodeData(path, content)
		if err != nil {
			return nil, err
		}
		return l.sharing.object(document)
	})
	if err != nil {
		return err
	}
	for _, directory := range slices.Backward(directories(name)) {
		document = ast.NewObject(ast.Item(ast.StringTerm(directory), ast.NewTerm(document)))
	}
	if _, err := document.Find(Ref("data.caddy." + tableRoot)[1:]); err == nil {
		return fmt.Errorf("%s: data.caddy.%s is built in: name access tables with access <file>", path, tableRoot)
	}
	merged, conflict := merge(s.data, document, "data")
	if conflict != "" {
		return fmt.Errorf("%s: %s is also in another file", path, conflict)
	}
	s.data = merged
	return nil
}

// directories returns the names of the directories that lead to a file.
func directories(name string) []string {
	dir := filepath.ToSlash(filepath.Dir(name))
	if dir == "." {
		return nil
	}
	return strings.Split(dir, "/")
}

// DecodeData decodes a data file: one object, whose numbers keep their digits.
func DecodeData(path string, content []byte) (map[string]any, error) {
	decode := util.Unmarshal
	if filepath.Ext(path) == ".json" {
		decode = util.UnmarshalJSON
	}
	var value any
	if err := decode(content, &value); err != nil {
		return nil, located(path, content, err)
	}
	document, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s:1: want an object at the top of a data file", path)
	}
	return document, nil
}

// located says where a document is broken. YAML's errors name a line themselves.
func located(path string, content []byte, err error) error {
	line := 0
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		line = lineAt(content, syntax.Offset)
	case errors.As(err, &mismatch):
		line = lineAt(content, mismatch.Offset)
	}
	if line == 0 {
		return fmt.Errorf("%s: %w", path, err)
	}
	return fmt.Errorf("%s:%d: %w", path, line, err)
}

// lineAt returns the line of a byte, counted from 1.
func lineAt(content []byte, offset int64) int {
	return 1 + bytes.Count(content[:min(int(offset), len(content))], []byte("\n"))
}

// merge returns the members of two documents together, which share no leaf, or
// the path of the first conflict. Neither document is changed.
func merge(a, b ast.Object, path string) (merged ast.Object, conflict string) {
	members := make([][2]*ast.Term, 0, a.Len()+b.Len())
	conflicts := a.Until(func(name, value *ast.Term) bool {
		if other := b.Get(name); other != nil {
			value, conflict = mergeTerms(value, other, path+"."+nameOf(name))
		}
		members = append(members, ast.Item(name, value))
		return conflict != ""
	})
	if conflicts {
		return nil, conflict
	}
	b.Foreach(func(name, value *ast.Term) {
		if a.Get(name) == nil {
			members = append(members, ast.Item(name, value))
		}
	})
	return ast.NewObject(members...), ""
}

// mergeTerms merges two objects; others are in conflict.
func mergeTerms(a, b *ast.Term, path string) (merged *ast.Term, conflict string) {
	first, ok1 := a.Value.(ast.Object)
	second, ok2 := b.Value.(ast.Object)
	if !ok1 || !ok2 {
		return nil, path
	}
	object, conflict := merge(first, second, path)
	return ast.NewTerm(object), conflict
}

// nameOf returns the name of a member of data.
func nameOf(name *ast.Term) string {
	text, _ := name.Value.(ast.String)
	return string(text)
}
