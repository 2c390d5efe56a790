package token

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

func TestMappingDefaults(t *testing.T) {
	v := newVerifier(t, testConfig(t, "HS256"))
	id, err := v.Verify(token("HS256", map[string]any{
		"preferred_username": "al", "username": "ignored", "name": "Alice", "email": "alice@example.com",
		"roles": []string{"admin", "dev"}, "groups": "staff", "scope": "read  write", "scp": []string{"ignored"},
		"acr": "phr", "amr": []string{"pwd", "otp"}, "auth_time": number("1799990000.9"),
	}))
	if err != nil {
		t.Fatal(err)
	}
	id.Claims = nil
	want := (&authenticator.Identity{
		Authenticated: true, Kind: authenticator.KindUser, ID: "alice", Username: "al", Name: "Alice", Issuer: testIssuer, Method: "jwt",
		Roles: []string{"admin", "dev"}, Groups: []string{"staff"}, Scopes: []string{"read", "write"}, Email: "alice@example.com",
		ACR: "phr", AMR: []string{"pwd", "otp"}, AuthTime: 1799990000, ExpiresAt: testNow.Unix() + 300,
	}).Normalize()
	id.Normalize()
	if diff := cmp.Diff(want, id, cmpopts.IgnoreUnexported(authenticator.Identity{})); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
}

// T-52, R-AT-4: roles, groups and scopes are a string or a list of strings.
func TestMappingLists(t *testing.T) {
	v := newVerifier(t, testConfig(t, "HS256"))
	for field, claim := range map[string]string{"roles": "roles", "groups": "groups", "scopes": "scope", "scopes ": "scp"} {
		lists := func(id *authenticator.Identity) []string {
			return map[string][]string{"roles": id.Roles, "groups": id.Groups, "scopes": id.Scopes}[strings.TrimSpace(field)]
		}
		two := []string{"a b"}
		if claim == "scope" || claim == "scp" {
			two = []string{"a", "b"}
		}
		for name, test := range map[string]struct {
			value any
			want  []string // nil: none, and the field is unknown
		}{
			"absent":           {nil, []string{}},
			"string":           {"a", []string{"a"}},
			"string of two":    {"a b", two},
			"list":             {[]string{"b", "a", "b"}, []string{"b", "a", "b"}},
			"empty list":       {[]string{}, []string{}},
			"number":           {7, nil},
			"null":             {null, []string{}},
			"true":             {true, nil},
			"object":           {map[string]any{"admin": true}, nil},
			"list of numbers":  {[]int{1}, nil},
			"list with null":   {[]any{"a", nil}, nil},
			"list in the list": {[]any{[]string{"a"}}, nil},
			"list of objects":  {[]any{map[string]any{"name": "admin"}}, nil},
		} {
			t.Run(field+" "+name, func(t *testing.T) {
				id, err := v.Verify(token("HS256", map[string]any{claim: test.value}))
				if err != nil {
					t.Fatal(err)
				}
				unknown := slices.Contains(id.Unknown, strings.TrimSpace(field))
				if unknown != (test.want == nil) {
					t.Errorf("unknown is %v", id.Unknown)
				}
				if test.want == nil {
					test.want = []string{}
				}
				if diff := cmp.Diff(test.want, lists(id)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", field, diff)
				}
			})
		}
	}
}

func TestMappingOfConfig(t *testing.T) {
	c := testConfig(t, "HS256")
	c.Map = map[string][]string{
		"id":       {"oid", "sub"},
		"username": {"/https:~1~1example.com~1name"},
		"name":     {"profile.names.display"},
		"roles":    {"realm_access.roles", "resource_access.api.roles"},
		"groups":   {"/memberships/0"},
		"scopes":   {"permissions"},
	}
	v := newVerifier(t, c)
	id, err := v.Verify(token("HS256", map[string]any{
		"oid": "42", "https://example.com/name": "al", "name": "ignored", "profile": map[string]any{"names": map[string]any{"display": "Alice"}},
		"resource_access": map[string]any{"api": map[string]any{"roles": []string{"admin"}}},
		"memberships":     []any{[]string{"staff"}, []string{"ignored"}}, "permissions": "a b", "scope": "ignored",
	}))
	if err != nil {
		t.Fatal(err)
	}
	got := []any{id.ID, id.Username, id.Name, id.Roles, id.Groups, id.Scopes}
	want := []any{"42", "al", "Alice", []string{"admin"}, []string{"staff"}, []string{"a", "b"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	// The first source that exists counts, even if it is of the wrong type; null does not exist.
	wantReason(t, v, token("HS256", map[string]any{"oid": null}), authenticator.ReasonNone)
	wantReason(t, v, token("HS256", map[string]any{"oid": 42}), authenticator.ReasonTokenMalformed)
	wantReason(t, v, token("HS256", map[string]any{"oid": ""}), authenticator.ReasonTokenMalformed)
	wantReason(t, v, token("HS256", map[string]any{"realm_access": map[string]any{"roles": 1}}), authenticator.ReasonTokenMalformed)
}

// A token without an id of the caller is refused with the claims that were tried.
func TestMappingWithoutID(t *testing.T) {
	c := testConfig(t, "HS256")
	c.Map = map[string][]string{"id": {"oid", "/a/b"}}
	refused := wantReason(t, newVerifier(t, c), token("HS256", nil), authenticator.ReasonTokenMalformed)
	if got := refused.detail("problem"); !strings.Contains(got, "oid /a/b") {
		t.Errorf("problem %q does not name the claims", got)
	}
}

// T-29, T-48: claims are values and nothing else; they come out as they went in.
func TestMappingLeavesValuesAlone(t *testing.T) {
	v := newVerifier(t, testConfig(t, "HS256"))
	for _, text := range []string{"a\r\nX-Auth-User: root", "{env.SECRET}", "<script>&", "\u202e", "a\x00b", "../..", " alice "} {
		id, err := v.Verify(token("HS256", map[string]any{"sub": text, "roles": []string{text}}))
		if err != nil || id.ID != text || id.Roles[0] != text || id.Claims["sub"] != text {
			t.Errorf("identity %v, %v, want %q as it is", id, err, text)
		}
	}
}
