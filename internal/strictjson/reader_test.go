package strictjson

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDecode: values come out as they were written.
func TestDecode(t *testing.T) {
	tests := map[string]any{
		`null`:                              nil,
		` true `:                            true,
		`"a\u00e9\n"`:                       "aé\n",
		`12345678901234567890.5`:            json.Number("12345678901234567890.5"),
		`[]`:                                []any{},
		`{"a": [1, {"b": "\ud83d\ude00"}]}`: map[string]any{"a": []any{json.Number("1"), map[string]any{"b": "😀"}}},
	}
	for text, want := range tests {
		got, err := Decode([]byte(text), 4)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
}

// TestDecodeErrors: T-34, T-46. What two readers could take for different things is refused.
func TestDecodeErrors(t *testing.T) {
	long := strings.Repeat("1", MaxNumber)
	tests := map[string]string{
		``:                               "is not JSON",
		`{"a": 1} x`:                     "is not JSON",
		`{"a": 1, "a": 2}`:               "two members",
		`{"b": [{"a": 1, "\u0061": 2}]}`: "two members",
		"\"\xff\"":                       "is not UTF-8",
		`"\ud800"`:                       "surrogate",
		`"\udc00x"`:                      "surrogate",
		`1e999`:                          "out of range",
		`1e-999`:                         "out of range",
		`0e1000000`:                      "out of range",
		`0E-99999999999999999999`:        "out of range",
		`0.1e+1000000`:                   "out of range",
		`[` + long + `1]`:                "a number of more than 1000 characters",
		`{"a": 0.` + long + `}`:          "a number of more than 1000 characters",
		`1e` + long:                      "a number of more than 1000 characters",
		`-` + long:                       "a number of more than 1000 characters",
		`[[[[[1]]]]]`:                    "deeper than 4",
		`{'a': 1}`:                       "is not JSON",
	}
	for text, want := range tests {
		if _, err := Decode([]byte(text), 4); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// FuzzDecode: what is accepted is what encoding/json reads as well.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2,{"b":null}]}`, `"\ud83d\ude00"`, `[1e5,-0.1]`, `{"a":1,"a":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Decode(data, 64)
		if err != nil {
			return
		}
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		var want any
		if err := decoder.Decode(&want); err != nil {
			t.Fatalf("encoding/json refuses %q: %v", data, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q\n%s", data, diff)
		}
	})
}

// TestN11TooComplex: values and nesting are counted as Decode would find them.
func TestN11TooComplex(t *testing.T) {
	tests := []struct {
		text          string
		values, depth int
	}{
		{`1`, 1, 0},
		{` "a,[b" `, 1, 0},
		{`[]`, 1, 1},
		{`[ { } ]`, 2, 2},
		{`[1, 2, "\"],[", 3]`, 5, 1},
		{`{"a": [1, 2], "b": {"c,": null}}`, 6, 2},
		{`{"a" : "x\\" , "b":[ [ ] , [ ] ]}`, 5, 3},
		{"\n[\t[\r[ 1 ] ] ]", 4, 3},
	}
	for _, test := range tests {
		if TooComplex(test.text, Limits{test.values, test.depth}) || TooComplex([]byte(test.text), Limits{test.values, test.depth}) {
			t.Errorf("N-11 %s: more than %d values or deeper than %d", test.text, test.values, test.depth)
		}
		if !TooComplex(test.text, Limits{test.values - 1, test.depth}) || test.depth > 0 && !TooComplex(test.text, Limits{test.values, test.depth - 1}) {
			t.Errorf("N-11 %s: fewer than %d values or not as deep as %d", test.text, test.values, test.depth)
		}
	}
}

// FuzzN11TooComplex: what is counted of JSON is what is in it.
func FuzzN11TooComplex(f *testing.F) {
	f.Add([]byte(`{"a": [1, "x,\"]", {}]}`))
	f.Add([]byte(`[[`))
	f.Add([]byte(`"\`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if TooComplex(text, Limits{1 << 30, 1 << 30}) {
			t.Errorf("%q is too complex for any limits", text)
		}
		value, err := Decode(text, 64)
		if err != nil {
			return
		}
		if n := count(value); TooComplex(text, Limits{n, 64}) || !TooComplex(text, Limits{n - 1, 64}) {
			t.Errorf("%q does not count as %d values", text, n)
		}
	})
}

// count returns how many values there are in a value, it included.
func count(value any) int {
	n := 1
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			n += count(item)
		}
	case map[string]any:
		for _, member := range v {
			n += count(member)
		}
	}
	return n
}
