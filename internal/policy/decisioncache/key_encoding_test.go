package decisioncache

import (
	"encoding/json"
	"testing"
)

// TestAppend: T-05. Different inputs have different keys: values of different types, values
// that are divided in another way, and members that are missing, empty or null.
func TestAppend(t *testing.T) {
	texts := func(list ...string) []byte { return AppendTexts(nil, list) }
	members := func(object map[string]any) []byte { return AppendMembers(nil, object, AppendValue) }
	named := func(object map[string]any) []byte { return AppendNamed(nil, object, []string{"a", "b"}, AppendValue) }
	groups := map[string][][]byte{
		"texts":    {AppendText(AppendText(nil, "ab"), "c"), AppendText(AppendText(nil, "a"), "bc"), AppendText(AppendText(nil, ""), "abc"), AppendText(AppendText(nil, "abc"), "")},
		"lists":    {texts(), texts(""), texts("", ""), texts("a", "b"), texts("ab"), texts("b", "a")},
		"booleans": {AppendBoolean(nil, true), AppendBoolean(nil, false)},
		"numbers":  {AppendNumber(nil, 0), AppendNumber(nil, 1), AppendNumber(nil, -1), AppendNumber(nil, 1<<40)},
		"objects":  {members(nil), members(map[string]any{"a": nil}), members(map[string]any{"a": ""}), members(map[string]any{"b": ""}), members(map[string]any{"a": "", "b": ""})},
		"named":    {named(nil), named(map[string]any{"a": nil}), named(map[string]any{"b": nil}), named(map[string]any{"a": nil, "b": nil}), named(map[string]any{"a": ""})},
		"values": {
			AppendValue(nil, nil), AppendValue(nil, true), AppendValue(nil, false), AppendValue(nil, ""), AppendValue(nil, "1"), AppendValue(nil, "true"), AppendValue(nil, json.Number("1")),
			AppendValue(nil, json.Number("1.0")), AppendValue(nil, []any{}), AppendValue(nil, []any{nil}), AppendValue(nil, []any{"a", "b"}), AppendValue(nil, []any{[]any{"a"}, "b"}),
			AppendValue(nil, []any{[]any{"a", "b"}}), AppendValue(nil, map[string]any{}), AppendValue(nil, map[string]any{"a": "b"}), AppendValue(nil, []string{"x"}), AppendValue(nil, []string{"y"}), AppendValue(nil, 5),
		},
	}
	for name, keys := range groups {
		seen := map[string]int{}
		for i, key := range keys {
			if other, ok := seen[string(key)]; ok {
				t.Errorf("%s: %d and %d have the same key", name, other, i)
			}
			seen[string(key)] = i
		}
	}
	first, second := map[string]any{}, map[string]any{}
	for _, name := range []string{"a", "b", "c", "d"} {
		first[name] = name
	}
	for _, name := range []string{"d", "c", "b", "a"} {
		second[name] = name
	}
	if string(members(first)) != string(members(second)) {
		t.Error("the order of insertion changes the key")
	}
	if string(texts()) != string(AppendTexts(nil, nil)) {
		t.Error("no list and an empty one have different keys")
	}
}
