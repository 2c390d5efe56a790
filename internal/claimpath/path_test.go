package claimpath

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// RFC 6901, section 5, and dotted paths.
func TestPathFind(t *testing.T) {
	var claims map[string]any
	decoder := json.NewDecoder(strings.NewReader(`{
		"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8, "~1": 9,
		"realm_access": {"roles": ["admin"], "null": null}, "x.y": "dotted", "x": {"y": "nested"}, "0": "zero"
	}`))
	decoder.UseNumber()
	if err := decoder.Decode(&claims); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]any{
		"/foo":               []any{"bar", "baz"},
		"/foo/0":             "bar",
		"/foo/1":             "baz",
		"/":                  json.Number("0"),
		"/a~1b":              json.Number("1"),
		"/c%d":               json.Number("2"),
		"/e^f":               json.Number("3"),
		"/g|h":               json.Number("4"),
		`/i\j`:               json.Number("5"),
		`/k"l`:               json.Number("6"),
		"/ ":                 json.Number("7"),
		"/m~0n":              json.Number("8"),
		"/~01":               json.Number("9"),
		"/x.y":               "dotted",
		"x.y":                "nested",
		"/x/y":               "nested",
		"0":                  "zero",
		"realm_access.roles": []any{"admin"},
		"realm_access.null":  nil,
	} {
		s, err := Parse(text)
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		got, found := s.Lookup(claims)
		if diff := cmp.Diff(want, got); diff != "" || !found {
			t.Errorf("%q: found %v (-want +got):\n%s", text, found, diff)
		}
	}
	for _, text := range []string{
		"missing", "foo.0", "foo.bar", "realm_access.roles.admin", "Foo", "/foo/2", "/foo/-1", "/foo/-", "/foo/00", "/foo/+1",
		"/foo/ 0", "/foo/0/x", "/foo/99999999999999999999", "//", "/realm_access/null/x",
	} {
		path, err := Parse(text)
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		if got, found := path.Lookup(claims); found {
			t.Errorf("%q: found %v, want nothing", text, got)
		}
	}
}

func TestPathErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":       "empty name",
		".":      "empty name",
		"a..b":   "empty name",
		".a":     "empty name",
		"a.":     "empty name",
		"a[].b":  "has a [ in it",
		"a[0]":   "in a JSON pointer",
		"/a~":    "neither ~0 (for ~) nor ~1 (for /)",
		"/a~2b":  "neither ~0 (for ~) nor ~1 (for /)",
		"/~0~/x": "neither ~0 (for ~) nor ~1 (for /)",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q): %v, want %q", text, err, want)
		}
	}
}
