package authenticator

import (
	"encoding/json"
	"strings"
	"testing"
)

// nested returns claims of some levels.
func nested(levels int) map[string]any {
	claims := map[string]any{}
	for range levels - 1 {
		claims = map[string]any{"a": claims}
	}
	return claims
}

// TestChecked: which identities policies can judge.
func TestChecked(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Identity)
		err    string
	}{
		{"valid", func(*Identity) {}, ""},
		{"anonymous", func(i *Identity) { *i = Identity{} }, ""},
		{"all kinds of claims", func(i *Identity) {
			i.Claims = map[string]any{"a": nil, "b": true, "c": "d", "e": json.Number("-1.5e+3"), "f": []any{map[string]any{}}}
		}, ""},
		{"other types of claims", func(i *Identity) {
			i.Claims = map[string]any{"a": 1, "b": 2.5, "c": []string{"d"}, "e": struct{ F string }{"g"}}
		}, ""},
		{"as deep as it may be", func(i *Identity) { i.Claims = nested(maxDepth) }, ""},
		{"too deep", func(i *Identity) { i.Claims = nested(maxDepth + 1) }, "nest deeper"},
		{"too deep in other types", func(i *Identity) { i.Claims = map[string]any{"a": []map[string]any{nested(maxDepth)}} }, "nest deeper"},
		{"as large as it may be", func(i *Identity) { i.Username = strings.Repeat("a", maxIdentity-100) }, ""},
		{"too large", func(i *Identity) { i.Username = strings.Repeat("a", maxIdentity) }, "more than"},
		{"too large a list", func(i *Identity) { i.Groups = make([]string, maxIdentity) }, "more than"},
		{"too large claims", func(i *Identity) { i.Claims = map[string]any{"a": strings.Repeat("a", maxIdentity)} }, "more than"},
		{"too large a name of a claim", func(i *Identity) { i.Claims = map[string]any{strings.Repeat("a", maxIdentity): nil} }, "more than"},
		{"too many empty claims", func(i *Identity) { i.Claims = map[string]any{"a": make([]any, maxIdentity)} }, "more than"},
		{"too large other types", func(i *Identity) { i.Claims = map[string]any{"a": []string{strings.Repeat("a", maxIdentity)}} }, "more than"},
		{"no id", func(i *Identity) { i.ID = "" }, "has an ID"},
		{"an unknown kind", func(i *Identity) { i.Kind = "User" }, "kind is"},
		{"a guest", func(i *Identity) { *i = Identity{Kind: KindGuest, ID: "link:a", Method: "link"} }, ""},
		{"S-19 an authenticated guest", func(i *Identity) { i.Kind = KindGuest }, "kind is"},
		{"authenticated and anonymous", func(i *Identity) { i.Kind = KindAnonymous }, "kind is"},
		{"neither", func(i *Identity) { i.Authenticated = false }, "authenticated is false"},
		{"an unknown binding", func(i *Identity) { i.Bound = "tls" }, "bound is"},
		{"an unknown field", func(i *Identity) { i.Unknown = []string{"roles", "id"} }, "unknown names"},
		{"an id that is not UTF-8", func(i *Identity) { i.ID = "\xff" }, "UTF-8"},
		{"a group that is not UTF-8", func(i *Identity) { i.Groups = []string{"a", "\xff"} }, "UTF-8"},
		{"a claim that is not UTF-8", func(i *Identity) { i.Claims = map[string]any{"a": []any{"\xff"}} }, "UTF-8"},
		{"a name of a claim that is not UTF-8", func(i *Identity) { i.Claims = map[string]any{"\xff": nil} }, "UTF-8"},
		{"a word as a number", func(i *Identity) { i.Claims = map[string]any{"a": json.Number("Infinity")} }, "is not a number"},
		{"a number that is expensive", func(i *Identity) { i.Claims = map[string]any{"a": json.Number("1e999999999")} }, "out of range"},
		{"a claim without JSON", func(i *Identity) { i.Claims = map[string]any{"a": func() {}} }, "claims"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			id := Identity{Authenticated: true, ID: "alice", Kind: KindUser}
			test.change(&id)
			checked, err := id.Checked()
			if test.err != "" {
				if checked != nil || err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("%v, want %q", err, test.err)
				}
				if _, err := id.Normalize().Checked(); err == nil {
					t.Error("normalized, it is valid")
				}
				return
			}
			if err != nil || checked == &id {
				t.Fatalf("%v, the same %t", err, checked == &id)
			}
			if again, err := checked.Checked(); err != nil || again != checked {
				t.Error("what is completed is completed again")
			}
			if same, err := id.Normalize().Checked(); err != nil || same != &id {
				t.Error("normalized, it is completed again")
			}
		})
	}
	if _, err := (*Identity)(nil).Checked(); err == nil {
		t.Error("nil is valid")
	}
}

// TestChangedCopy: a copy of a normalized identity is checked again.
func TestChangedCopy(t *testing.T) {
	shared := (&Identity{Authenticated: true, ID: "alice"}).Normalize()
	changed := *shared
	changed.ID = ""
	if _, err := changed.Checked(); err == nil {
		t.Error("it is valid")
	}
	if changed = *shared; changed.Kind != KindUnknown {
		t.Errorf("kind %q", changed.Kind)
	}
}

// TestConvertedClaims: claims of other types become what decoding their JSON gives,
// and those of the caller stay.
func TestConvertedClaims(t *testing.T) {
	given := map[string]any{"level": 3, "tags": []string{"a"}, "kept": json.Number("1.50")}
	id := (&Identity{Authenticated: true, ID: "alice", Claims: given}).Normalize()
	if id.Claims["level"] != json.Number("3") || id.Claims["kept"] != json.Number("1.50") || id.Claims["tags"].([]any)[0] != "a" {
		t.Errorf("%#v", id.Claims)
	}
	if given["level"] != 3 {
		t.Error("the caller's claims were changed")
	}
}
