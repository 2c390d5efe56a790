package token

import (
	"slices"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// rolesOf returns the roles that a source makes of a value at the claim r; ok is
// false if the token is refused.
func rolesOf(t *testing.T, sources []string, value any) (roles []string, ok bool) {
	t.Helper()
	c := testConfig(t, "HS256")
	c.Map = map[string][]string{"roles": sources}
	id, err := newVerifier(t, c).Verify(token("HS256", map[string]any{"r": value}))
	if err != nil {
		if reason := reasonOf(t, err); reason != authenticator.ReasonTokenMalformed {
			t.Errorf("refused with %v", err)
		}
		return nil, false
	}
	return id.Roles, true
}

func TestN28Sources(t *testing.T) {
	object := func(name string, value any) map[string]any { return map[string]any{name: value} }
	zitadel := map[string]any{"admin": object("org1", "one.example"), "editor": object("org2", "two.example"), "viewer": map[string]any{"org1": "one.example", "org2": "two.example"}}
	for name, test := range map[string]struct {
		source string
		value  any
		want   string // joined with spaces; "refused"
	}{
		"N-28 keys":                            {"keys:r", zitadel, "admin editor viewer"},
		"N-28 keys of a deeper object":         {"keys:r.api", object("api", object("admin", true)), "admin"},
		"N-28 keys of nothing":                 {"keys:r", map[string]any{}, ""},
		"N-28 keys of null":                    {"keys:r", null, ""},
		"N-28 keys of a list":                  {"keys:r", []string{"admin"}, "refused"},
		"N-28 keys of a string":                {"keys:r", "admin", "refused"},
		"N-28 having":                          {"keys:r having org1", zitadel, "admin viewer"},
		"N-28 having another":                  {"keys:r having org3", zitadel, ""},
		"N-28 a member of each":                {"r[].value", []any{object("value", "x"), object("value", "y")}, "x y"},
		"N-28 a deeper member":                 {"r[].a.b", []any{object("a", object("b", "x"))}, "x"},
		"N-28 no member, and null":             {"r[].value", []any{object("display", "x"), object("value", nil), object("value", "y")}, "y"},
		"N-28 an empty list":                   {"r[].value", []any{}, ""},
		"N-28 a member that is a number":       {"r[].value", []any{object("value", 7)}, "refused"},
		"N-28 strings and no objects":          {"r[].value", []string{"x"}, "refused"},
		"N-28 an object and no list":           {"r[].value", object("value", "x"), "refused"},
		"N-28 an object without either":        {"r", zitadel, "refused"},
		"S-12 true counts":                     {"keys:r", object("admin", true), "admin"},
		"S-12 a list that is not empty counts": {"keys:r", object("admin", []int{0}), "admin"},
		"S-12 false":                           {"keys:r", object("admin", false), ""},
		"S-12 null":                            {"keys:r", object("admin", nil), ""},
		"S-12 an empty object":                 {"keys:r", object("admin", map[string]any{}), ""},
		"S-12 an empty list":                   {"keys:r", object("admin", []int{}), ""},
		"S-12 a string":                        {"keys:r", object("admin", "false"), ""},
		"S-12 a number":                        {"keys:r", object("admin", 1), ""},
		"S-12 having: true has no member":      {"keys:r having org1", object("admin", true), ""},
		"S-12 having: a list has no member":    {"keys:r having org1", object("admin", []string{"org1"}), ""},
		"S-12 having: the member is null":      {"keys:r having org1", object("admin", object("org1", nil)), ""},
		"S-12 having: the member is false":     {"keys:r having org1", object("admin", object("org1", false)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			roles, ok := rolesOf(t, []string{test.source}, test.value)
			got := strings.Join(roles, " ")
			if !ok {
				got = "refused"
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if roles, _ := rolesOf(t, []string{"keys:nothing", "r[].value"}, []any{object("value", "x")}); !slices.Equal(roles, []string{"x"}) {
		t.Errorf("the next source gives %v", roles)
	}
}

// Without a map an object or a list of objects is absent, and unknown.
func TestN28StandardField(t *testing.T) {
	for _, value := range []any{map[string]any{"admin": true}, []any{map[string]any{"value": "admin"}}} {
		id := identityOf(t, testConfig(t, "HS256"), map[string]any{"roles": value})
		if len(id.Roles) != 0 || !slices.Equal(id.Unknown, []string{"roles"}) {
			t.Errorf("got %+v", id)
		}
	}
}

func TestS12Zitadel(t *testing.T) {
	for source, want := range map[string]string{
		"keys:urn:zitadel:iam:org:project:roles":                "having <organization id>",
		"keys:/urn:zitadel:iam:org:project:roles":               "having <organization id>",
		"keys:urn:zitadel:iam:org:project:42:roles":             "having <organization id>",
		"keys:urn:zitadel:iam:org:project:roles having ":        "having names no member",
		"keys:urn:zitadel:iam:org:project:roles having 2400001": "",
		"keys:roles": "",
		"keys:":      "names no claim",
		"[].value":   "names no claim",
		"a[].":       "empty name",
		"a[]":        "wants a member of each item",
		"a[].b[].c":  "stands once",
		"a[]b":       "such as a[].b",
		"a[0].b":     "in a JSON pointer",
		"/a[]b":      "such as /a[].b",
		"keys:a[].b": "keys: reads one object",
	} {
		c := testConfig(t, "HS256")
		c.Map = map[string][]string{"roles": {source}}
		_, err := New(c)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", source, err, want)
		}
	}
	for _, field := range []string{"id", "username", "name", "email"} {
		for _, source := range []string{"keys:a", "a[].b"} {
			c := testConfig(t, "HS256")
			c.Map = map[string][]string{field: {source}}
			if _, err := New(c); err == nil || !strings.Contains(err.Error(), "lists: roles groups scopes") {
				t.Errorf("map %s %s: %v", field, source, err)
			}
		}
	}
}

// FuzzSource: no source and no value panics, and a list holds only names and
// strings that stand in the value.
func FuzzSource(f *testing.F) {
	f.Add("keys:a having b", []byte(`{"a":{"x":{"b":1},"y":[]}}`))
	f.Add("a[].b.c", []byte(`{"a":[{"b":{"c":"x"}},{"b":null},1]}`))
	f.Add("/a~1b/0", []byte(`{"a/b":[["x"]]}`))
	f.Add("keys: having ", []byte(`{}`))
	f.Fuzz(func(t *testing.T, text string, data []byte) {
		s, err := parseClaimSource(text)
		if err != nil {
			return
		}
		claims, err := decodeObject(data)
		if err != nil {
			return
		}
		value, found := s.lookup(claims)
		if !found {
			return
		}
		list, ok := s.list(value)
		if !ok && list != nil {
			t.Fatalf("%q of %s: %v with an error", text, data, list)
		}
		said := map[string]bool{}
		collect(value, said)
		if names, ok := value.(map[string]any); ok {
			for name, member := range names {
				said[name] = said[name] || member != nil && member != false
			}
		}
		for _, word := range list {
			if !said[word] {
				t.Fatalf("%q of %s: %q from nowhere", text, data, word)
			}
		}
	})
}
