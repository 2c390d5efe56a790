package policy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// TestTextTerm: text becomes what JSON makes of it, byte by byte.
func TestTextTerm(t *testing.T) {
	for _, text := range []string{"", "a", "é", "\xff", "\xff\xfe", "a\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x00\u2028", "😀\xf0\x9f"} {
		encoded, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var want string
		if err := json.Unmarshal(encoded, &want); err != nil {
			t.Fatal(err)
		}
		if got := textTerm(text); !got.Equal(ast.StringTerm(want)) {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestValueTerm: decoded JSON becomes the terms that OPA would make.
func TestValueTerm(t *testing.T) {
	for _, text := range []string{
		`null`, `true`, `"x"`, `0`, `-1.50`, `1e3`, `12345678901234567890`, `[]`, `{}`, `[[], {}, [null]]`,
		`{"b": [1, 2], "a": {"c": "d"}, "": ""}`,
	} {
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		var value any
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
		want, err := ast.InterfaceToValue(value)
		if err != nil {
			t.Fatal(err)
		}
		if got := valueTerm(value); got.Value.Compare(want) != 0 {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// TestSharedNames: a section's names are made once and shared; its values are not.
func TestSharedNames(t *testing.T) {
	in := asked("/a", "admin")
	d := in.Request.Document(in.Request.Readings()[0], in.Identity, in.Failure, in.Config.values, request.AllFields)
	first, second := whole.term(&d, in.Config.term, nil).Value.(ast.Object), whole.term(&d, in.Config.term, nil).Value.(ast.Object)
	if first.Compare(second) != 0 {
		t.Error("one document gives two inputs")
	}
	if first.Get(ast.StringTerm("request")) == second.Get(ast.StringTerm("request")) {
		t.Error("two requests share a term")
	}
	if first.Get(ast.StringTerm("config")).Value.(ast.Object) != second.Get(ast.StringTerm("config")).Value.(ast.Object) {
		t.Error("the constants were made again")
	}
}
