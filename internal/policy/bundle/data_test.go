package bundle

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// decoded is a JSON object as data files are decoded.
func decoded(t testing.TB, text string) map[string]any {
	t.Helper()
	document, err := DecodeData("data.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// built is a JSON object as policies read it.
func built(t testing.TB, text string) ast.Object {
	t.Helper()
	object, err := newInterner().object(decoded(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// TestMerge: documents meet in objects only, and stay as they are.
func TestMerge(t *testing.T) {
	tests := []struct{ name, a, b, want, conflict string }{
		{"apart", `{"a": 1}`, `{"b": 2}`, `{"a": 1, "b": 2}`, ""},
		{"below one another", `{"a": {"b": 1}}`, `{"a": {"c": 2}}`, `{"a": {"b": 1, "c": 2}}`, ""},
		{"an empty object", `{"a": {"b": 1}}`, `{"a": {}}`, `{"a": {"b": 1}}`, ""},
		{"deep", `{"a": {"b": {"c": 1}}}`, `{"a": {"b": {"d": 2}, "e": 3}}`, `{"a": {"b": {"c": 1, "d": 2}, "e": 3}}`, ""},
		{"the same leaf", `{"a": {"b": 1}}`, `{"a": {"b": 1}}`, "", "data.a.b"},
		{"a leaf over an object", `{"a": {"b": 1}}`, `{"a": 1}`, "", "data.a"},
		{"an object over a leaf", `{"a": 1}`, `{"a": {"b": 1}}`, "", "data.a"},
		{"lists are leaves", `{"a": [1]}`, `{"a": [2]}`, "", "data.a"},
		{"null is a leaf", `{"a": null}`, `{"a": {}}`, "", "data.a"},
		{"the first of several", `{"a": 1, "b": 2}`, `{"b": 3, "a": 4}`, "", "data.a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, b := built(t, test.a), built(t, test.b)
			merged, conflict := merge(a, b, "data")
			if conflict != test.conflict {
				t.Fatalf("conflict %q", conflict)
			}
			if conflict == "" && merged.Compare(built(t, test.want)) != 0 {
				t.Errorf("got %v", merged)
			}
			if a.Compare(built(t, test.a)) != 0 || b.Compare(built(t, test.b)) != 0 {
				t.Errorf("they became %v and %v", a, b)
			}
		})
	}
}

// TestDecodeData: numbers keep their digits, and YAML means what JSON would.
func TestDecodeData(t *testing.T) {
	tests := []struct{ name, path, content, want string }{
		{"a large number", "data.json", `{"n": 123456789012345678901234567890}`, `{"n": 123456789012345678901234567890}`},
		{"a small one in YAML", "data.yaml", "n: 0.10\n", `{"n": 0.1}`},
		{"words that YAML of old took for booleans", "data.yml", "a: yes\nb: on\nc: true\n", `{"a": "yes", "b": "on", "c": true}`},
		{"JSON in a YAML file", "data.yaml", `{"a": [1, {"b": null}]}`, `{"a": [1, {"b": null}]}`},
		{"a byte order mark", "data.yaml", "\xef\xbb\xbfa: 1\n", `{"a": 1}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := DecodeData(test.path, []byte(test.content))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, decoded(t, test.want)) {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestDecodeDataErrors: a file that is no object is none of it taken.
func TestDecodeDataErrors(t *testing.T) {
	tests := []struct{ name, path, content, want string }{
		{"YAML in a JSON file", "/p/data.json", "a: 1\n", "/p/data.json:1: "},
		{"a trailing comma", "/p/data.json", "{\n\n\"a\": 1,\n}", "/p/data.json:4: "},
		{"something behind", "/p/data.json", "{} x", "/p/data.json"},
		{"nothing", "/p/data.json", "", "/p/data.json"},
		{"null", "/p/data.json", "null", "/p/data.json:1: want an object"},
		{"a string", "/p/data.yaml", "just words", "/p/data.yaml:1: want an object"},
		{"a comment", "/p/data.yaml", "# later\n", "/p/data.yaml:1: want an object"},
		{"a tab", "/p/data.yml", "a:\n  b: 1\n\tc: 2\n", "/p/data.yml: "},
		{"an alias of nothing", "/p/data.yaml", "a: *b\n", "/p/data.yaml: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := DecodeData(test.path, []byte(test.content))
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

// FuzzDecodeData: no file makes the loader panic, and what is taken is JSON (T-66).
func FuzzDecodeData(f *testing.F) {
	for _, seed := range []string{`{"a": 1}`, "a: &x [1]\nb: *x\n", "{", "a: !!binary eA==\n", "? [a]\n: b\n", "<<: {a: 1}\n", "a: .nan\n", "\xff", "a: 2020-01-01\n"} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, content string, isJSON bool) {
		path := "data.yaml"
		if isJSON {
			path = "data.json"
		}
		document, err := DecodeData(path, []byte(content))
		if err != nil {
			return
		}
		if _, err := json.Marshal(document); err != nil {
			t.Error(err)
		}
		object, err := newInterner().object(document)
		if err != nil {
			t.Fatal(err)
		}
		if want, err := ast.InterfaceToValue(document); err != nil || object.Compare(want) != 0 || object.String() != want.String() {
			t.Errorf("%v became %v, %v", document, object, err)
		}
		if _, conflict := merge(ast.NewObject(), object, "data"); conflict != "" {
			t.Error("it conflicts with nothing")
		}
	})
}
