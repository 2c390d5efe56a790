package token

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// R-JWT-10, R-JWT-20, T-34.
func TestDecodeObject(t *testing.T) {
	nested := func(depth int) string {
		return strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)
	}
	members := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`"c%d":%d`, i, i)
		}
		return "{" + strings.Join(list, ",") + "}"
	}
	for name, test := range map[string]struct {
		data string
		want string // a part of the error, "" for none
	}{
		"empty object":             {`{}`, ""},
		"white space around":       {" \t\r\n{} \n", ""},
		"every kind":               {`{"a":null,"b":true,"c":1.5e3,"d":"x","e":[1,[]],"f":{"g":{}}}`, ""},
		"same name elsewhere":      {`{"a":{"a":1},"b":[{"a":1},{"a":1}]}`, ""},
		"names differ in case":     {`{"a":1,"A":2}`, ""},
		"surrogate pair":           {`{"a":"\ud83d\ude00\\ud800"}`, ""},
		"as deep as allowed":       {nested(maxDepth), ""},
		"as many as allowed":       {members(maxMembers), ""},
		"large and small numbers":  {`{"a":1e308,"b":123456789012345678901234567890,"c":0e999,"d":-0.0,"e":5e-324}`, ""},
		"nothing":                  {``, "not JSON"},
		"list":                     {`[]`, "not a JSON object"},
		"string":                   {`"a"`, "not a JSON object"},
		"number":                   {`1`, "not a JSON object"},
		"null":                     {`null`, "not a JSON object"},
		"two values":               {`{}{}`, "not JSON"},
		"open":                     {`{"a":1`, "not JSON"},
		"trailing comma":           {`{"a":1,}`, "not JSON"},
		"missing colon":            {`{"a" 1}`, "not JSON"},
		"unquoted name":            {`{a:1}`, "not JSON"},
		"single quotes":            {`{'a':1}`, "not JSON"},
		"NaN":                      {`{"a":NaN}`, "not JSON"},
		"Infinity":                 {`{"a":Infinity}`, "not JSON"},
		"hexadecimal":              {`{"a":0x10}`, "not JSON"},
		"leading zero":             {`{"a":01}`, "not JSON"},
		"plus":                     {`{"a":+1}`, "not JSON"},
		"raw control character":    {"{\"a\":\"\n\"}", "not JSON"},
		"bad escape":               {`{"a":"\x41"}`, "not JSON"},
		"twice":                    {`{"a":1,"a":1}`, `two members named "a"`},
		"twice deep inside":        {`{"x":[[{"y":{"a":1,"b":2,"a":3}}]]}`, `two members named "a"`},
		"twice by escapes":         {`{"a":1,"\u0061":1}`, `two members named "a"`},
		"not UTF-8 in a value":     {"{\"a\":\"\xc3\x28\"}", "not UTF-8"},
		"not UTF-8 in a name":      {"{\"\xff\":1}", "not UTF-8"},
		"overlong UTF-8":           {"{\"a\":\"\xc0\xaf\"}", "not UTF-8"},
		"encoded surrogate":        {"{\"a\":\"\xed\xa0\x80\"}", "not UTF-8"},
		"high surrogate alone":     {`{"a":"\ud83d"}`, "surrogate"},
		"high surrogate, then x":   {`{"a":"\ud83dx\ude00"}`, "surrogate"},
		"two high surrogates":      {`{"a":"\ud83d\ud83d"}`, "surrogate"},
		"low surrogate alone":      {`{"a":"\uDE00"}`, "surrogate"},
		"surrogate in a name":      {`{"\ud800":1,"\ud801":2}`, "surrogate"},
		"after an escaped slash":   {`{"a":"\\\ud800"}`, "surrogate"},
		"one level too deep":       {nested(maxDepth + 1), "deeper than 16"},
		"lists far too deep":       {`{"a":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`, "deeper than 16"},
		"one member too many":      {members(maxMembers + 1), "more than 256"},
		"a hundred thousand":       {members(100_000), "more than 256"},
		"beyond a double":          {`{"a":1e309}`, "out of range"},
		"far beyond, deep inside":  {`{"a":[{"b":1e999999999}]}`, "out of range"},
		"far below":                {`{"a":1e-999999999}`, "out of range"},
		"negative beyond a double": {`{"a":-1E+400}`, "out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			members, err := decodeObject([]byte(test.data))
			if test.want == "" {
				if err != nil || members == nil {
					t.Errorf("decodeObject: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || members != nil {
				t.Errorf("decodeObject: %v, want an error with %q", err, test.want)
			}
		})
	}
}

// R-JWT-21: what is decoded is what was written.
func TestDecodeObjectConvertsNothing(t *testing.T) {
	got, err := decodeObject([]byte(`{"big":9007199254740993,"float":1.10,"html":"<a>&\u2028\ud83d\ude00","no":null,"list":["1",1,true]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := object{
		"big": json.Number("9007199254740993"), "float": json.Number("1.10"), "html": "<a>&\u2028\U0001F600",
		"no": nil, "list": []any{"1", json.Number("1"), true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("object (-want +got):\n%s", diff)
	}
}

func TestObjectText(t *testing.T) {
	o := must(decodeObject([]byte(`{"s":"x","e":"","n":1,"z":null,"l":["a","b"],"m":["a",1],"none":[]}`)))
	for name, want := range map[string]struct {
		value       string
		present, ok bool
	}{
		"s": {"x", true, true}, "e": {"", true, true}, "missing": {"", false, true}, "n": {"", true, false}, "z": {"", false, true}, "l": {"", true, false},
	} {
		value, present, err := o.text(name)
		if value != want.value || present != want.present || (err == nil) != want.ok {
			t.Errorf("text(%s) = %q, %v, %v", name, value, present, err)
		}
	}
	for name, want := range map[string]struct {
		values      []string
		present, ok bool
	}{
		"l": {[]string{"a", "b"}, true, true}, "none": {[]string{}, true, true}, "missing": {nil, false, true},
		"m": {nil, true, false}, "s": {nil, true, false}, "z": {nil, false, true},
	} {
		values, present, err := o.texts(name)
		if present != want.present || (err == nil) != want.ok || want.ok && !cmp.Equal(values, want.values) {
			t.Errorf("texts(%s) = %q, %v, %v", name, values, present, err)
		}
	}
}
