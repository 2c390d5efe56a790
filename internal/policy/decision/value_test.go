package decision

import (
	"encoding/json"
	"reflect"
	"testing"
)

// TestDecodeInt: whole numbers as they are written, and none made of something else.
func TestDecodeInt(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "-7": -7, "403": 403, "9223372036854775807": 9223372036854775807} {
		if got, err := decodeInt(json.Number(text)); got != want || err != nil {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, bad := range []any{json.Number("1.0"), json.Number("1e2"), json.Number("9223372036854775808"), json.Number("NaN"), "1", true, nil, 1, 1.0, []any{json.Number("1")}} {
		if got, err := decodeInt(bad); err == nil || got != 0 {
			t.Errorf("%v: %d, %v", bad, got, err)
		}
	}
}

// TestDecodeStrings: lists of strings, and no string for a list.
func TestDecodeStrings(t *testing.T) {
	if got, err := decodeStrings([]any{"a", ""}); err != nil || !reflect.DeepEqual(got, []string{"a", ""}) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := decodeStrings([]any{}); err != nil || got == nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []any{"a", nil, map[string]any{"a": true}, []any{"a", nil}, []any{[]any{"a"}}, []any{json.Number("1")}, true} {
		if got, err := decodeStrings(bad); err == nil {
			t.Errorf("%v: %q", bad, got)
		}
	}
}

// TestDecodeWords: one string of words is a list of them.
func TestDecodeWords(t *testing.T) {
	for _, test := range []struct {
		value any
		want  []string
	}{
		{"a b:c  d", []string{"a", "b:c", "d"}},
		{[]any{"a", "b"}, []string{"a", "b"}},
		{"", nil},
		{[]any{}, nil},
	} {
		if got, err := decodeWords(test.value); err != nil || len(got) != len(test.want) || len(got) > 0 && !reflect.DeepEqual(got, test.want) {
			t.Errorf("%v: %q, %v", test.value, got, err)
		}
	}
	for _, bad := range []any{`a "b"`, `a\b`, "a\u0085b\u00e9", []any{"a b"}, []any{""}, []any{"\x00"}, json.Number("1"), nil} {
		if got, err := decodeWords(bad); err == nil {
			t.Errorf("%v: %q", bad, got)
		}
	}
}

// TestDecodeMembers: members come in the order of their names.
func TestDecodeMembers(t *testing.T) {
	got, err := decodeMembers(map[string]any{"b": "2", "a": "1", "c": "3"}, "want an object")
	if err != nil || !reflect.DeepEqual(got, []named{{"a", "1"}, {"b", "2"}, {"c", "3"}}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []any{nil, "a", []any{}, true} {
		if _, err := decodeMembers(bad, "want an object"); err == nil || err.Error() != "want an object" {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
