package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/util"
)

// dataNames are the data files of a bundle root; each one's directory is where
// its content stands below data.
var dataNames = []string{"data.json", "data.yaml", "data.yml"}

// readData adds a data file, whose name is relative to the source.
func (s *source) readData(path, name string, content []byte) error {
	document, err := decodeData(path, content)
	if err != nil {
		return err
	}
	for _, directory := range slices.Backward(directories(name)) {
		document = map[string]any{directory: document}
	}
	if caddy, ok := document["caddy"].(map[string]any); ok && caddy[tableRoot] != nil {
		return fmt.Errorf("%s: data.caddy.%s is built in: name access tables with access <file>", path, tableRoot)
	}
	if at, ok := mergeInto(s.data, document, "data"); !ok {
		return fmt.Errorf("%s: %s is also in another file", path, at)
	}
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

// decodeData decodes a data file: one object, whose numbers keep their digits.
func decodeData(path string, content []byte) (map[string]any, error) {
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

// mergeInto adds the members of one document to another, which has to have none
// of its leaves. It returns the path of a conflict.
func mergeInto(target, added map[string]any, path string) (string, bool) {
	for _, name := range slices.Sorted(maps.Keys(added)) {
		at := path + "." + name
		there, exists := target[name]
		if !exists {
			target[name] = added[name]
			continue
		}
		both, ok1 := there.(map[string]any)
		more, ok2 := added[name].(map[string]any)
		if !ok1 || !ok2 {
			return at, false
		}
		if conflict, ok := mergeInto(both, more, at); !ok {
			return conflict, false
		}
	}
	return "", true
}
