package token

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// identityOf returns the identity of good claims, changed.
func identityOf(t *testing.T, c Config, changes map[string]any) *authenticator.Identity {
	t.Helper()
	id, err := newVerifier(t, c).Verify(token("HS256", changes))
	if err != nil {
		t.Fatalf("%v: %v", changes, err)
	}
	return id
}

// Claims that are null give nothing and take nothing.
func TestN21Null(t *testing.T) {
	for _, claim := range []string{"groups", "roles", "scope", "scp", "preferred_username", "username", "name", "email", "amr", "acr", "auth_time", "sid", "nbf", "iat", "cnf", "azp", "client_id", "gty", "idtyp", "_claim_names", "hasgroups"} {
		t.Run("N-21 "+claim, func(t *testing.T) {
			id := identityOf(t, testConfig(t, "HS256"), map[string]any{claim: null})
			if len(id.Unknown) != 0 || id.Kind != authenticator.KindUser || id.ID != "alice" {
				t.Errorf("got %+v", id)
			}
			if _, there := id.Claims[claim]; !there {
				t.Error("the claim itself is not shown")
			}
		})
	}
}

// With null at one source the next is tried, whether or not the site maps the field.
func TestN21NextSource(t *testing.T) {
	id := identityOf(t, testConfig(t, "HS256"), map[string]any{"preferred_username": null, "username": "al", "scope": null, "scp": []string{"read"}})
	if id.Username != "al" || !slices.Equal(id.Scopes, []string{"read"}) {
		t.Errorf("got %+v", id)
	}
	if id = identityOf(t, testConfig(t, "HS256"), map[string]any{"scope": "", "scp": []string{"read"}}); !slices.Equal(id.Scopes, []string{"read"}) {
		t.Errorf("an empty scope hides scp: %v", id.Scopes)
	}
	c := testConfig(t, "HS256")
	c.Map = map[string][]string{"roles": {"realm_access.roles", "app_roles"}, "id": {"oid", "sub"}}
	id = identityOf(t, c, map[string]any{"realm_access": map[string]any{"roles": nil}, "app_roles": []string{"editor"}, "oid": null})
	if !slices.Equal(id.Roles, []string{"editor"}) || id.ID != "alice" {
		t.Errorf("got %+v", id)
	}
}

// In an ID token null replaces nothing that userinfo says.
func TestN21NullInIDToken(t *testing.T) {
	v := clientVerifier(t, "RS256")
	got, err := v.VerifyID(idToken("RS256", map[string]any{
		"email": null, "groups": null, "acr": null, "amr": null, "sid": null, "azp": null, "at_hash": null, "c_hash": null,
	}), expect(nil))
	if err != nil {
		t.Fatal(err)
	}
	id, err := v.Identify(got, map[string]any{"email": "a@example.com", "groups": []any{"staff"}})
	if err != nil || id.Email != "a@example.com" || !slices.Equal(id.Groups, []string{"staff"}) || len(id.Unknown) != 0 {
		t.Errorf("got %+v, %v", id, err)
	}
}

// The forms in which providers write how and when somebody signed in.
func TestN22ReadableForms(t *testing.T) {
	for name, test := range map[string]struct {
		changes map[string]any
		acr     string
		amr     []string
		at      int64
		unknown []string
	}{
		"N-22 Supabase's amr":         {map[string]any{"amr": []any{map[string]any{"method": "password", "timestamp": 1}, map[string]any{"method": "totp"}}}, "", []string{"password", "totp"}, 0, nil},
		"N-22 amr a string":           {map[string]any{"amr": "pwd"}, "", []string{"pwd"}, 0, nil},
		"N-22 amr a number":           {map[string]any{"amr": []int{1}}, "", nil, 0, []string{"amr"}},
		"N-22 amr without a method":   {map[string]any{"amr": []any{map[string]any{"timestamp": 1}}}, "", nil, 0, []string{"amr"}},
		"N-22 one of amr is null":     {map[string]any{"amr": []any{"mfa", nil}}, "", nil, 0, []string{"amr"}},
		"N-22 acr a number":           {map[string]any{"acr": 1}, "1", nil, 0, nil},
		"N-22 acr true":               {map[string]any{"acr": true}, "", nil, 0, []string{"acr"}},
		"N-22 acr a list":             {map[string]any{"acr": []string{"phr"}}, "", nil, 0, []string{"acr"}},
		"N-22 AD FS's auth_time":      {map[string]any{"auth_time": "2027-01-15T07:59:00.123Z"}, "", nil, 1799999940, nil},
		"N-22 auth_time with a zone":  {map[string]any{"auth_time": "2027-01-15T09:59:00+02:00"}, "", nil, 1799999940, nil},
		"N-22 auth_time without one":  {map[string]any{"auth_time": "2027-01-15T07:59:00"}, "", nil, 0, []string{"auth_time"}},
		"N-22 auth_time digits":       {map[string]any{"auth_time": "1799999940"}, "", nil, 0, []string{"auth_time"}},
		"N-22 auth_time to come":      {map[string]any{"auth_time": testNow.Unix() + 3600}, "", nil, 0, []string{"auth_time"}},
		"N-22 auth_time before 1970":  {map[string]any{"auth_time": "1960-01-01T00:00:00Z"}, "", nil, 0, []string{"auth_time"}},
		"N-22 auth_time negative":     {map[string]any{"auth_time": -1}, "", nil, 0, []string{"auth_time"}},
		"N-22 auth_time out of range": {map[string]any{"auth_time": number("1e300")}, "", nil, 0, []string{"auth_time"}},
	} {
		t.Run(name, func(t *testing.T) {
			id := identityOf(t, testConfig(t, "HS256"), test.changes)
			got := []any{id.ACR, slices.Clone(id.AMR), id.AuthTime, id.Unknown}
			want := []any{test.acr, append([]string{}, test.amr...), test.at, append([]string{}, test.unknown...)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("acr, amr, auth_time, unknown (-want +got):\n%s", diff)
			}
		})
	}
}

// The same of an ID token, whose step-up is judged by what could be read.
func TestN22IDToken(t *testing.T) {
	v := clientVerifier(t, "RS256")
	for name, test := range map[string]struct {
		changes map[string]any
		change  func(*Expected)
		want    authenticator.Reason
	}{
		"N-22 forms of providers":   {map[string]any{"amr": []any{map[string]any{"method": "password"}}, "auth_time": "2027-01-15T07:59:30Z", "acr": 1, "sid": 5}, nil, ""},
		"N-22 foreign ones":         {map[string]any{"amr": 1, "auth_time": true, "acr": []int{1}, "sid": []int{1}, "groups": 1, "email": 1, "name": 1}, nil, ""},
		"N-22 fresh by ISO text":    {map[string]any{"auth_time": "2027-01-15T07:59:30Z"}, func(w *Expected) { w.MaxAge = 60 }, ""},
		"N-22 stale by ISO text":    {map[string]any{"auth_time": "2027-01-15T07:00:00Z"}, func(w *Expected) { w.MaxAge = 60 }, authenticator.ReasonStepUpRequired},
		"N-22 unreadable and fresh": {map[string]any{"auth_time": "now"}, func(w *Expected) { w.MaxAge = 60 }, authenticator.ReasonStepUpRequired},
		"N-22 yet to come":          {map[string]any{"auth_time": testNow.Unix() + 7200}, func(w *Expected) { w.MaxAge = 60 }, authenticator.ReasonStepUpRequired},
		"N-22 unreadable level":     {map[string]any{"acr": []string{"phr"}}, func(w *Expected) { w.ACRValues = []string{"phr"} }, authenticator.ReasonStepUpRequired},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := v.VerifyID(idToken("RS256", test.changes), expect(test.change))
			if reason := reasonOf(t, err); reason != test.want {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if err == nil {
				if _, err := v.Identify(got, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// foreignForms are values that are none of a string, a list of strings and null.
var foreignForms = map[string]any{
	"number": 7, "true": true, "false": false, "object": map[string]any{"admin": true}, "empty object": map[string]any{},
	"list of numbers": []int{1}, "list with null": []any{"admin", nil}, "list of lists": []any{[]string{"admin"}},
}

// What the site does not map is absent and unknown, and told to the debug log.
func TestS10ForeignForms(t *testing.T) {
	for claim, field := range map[string]string{
		"roles": "roles", "groups": "groups", "scope": "scopes", "preferred_username": "username", "name": "name", "email": "email",
	} {
		for form, value := range foreignForms {
			t.Run("S-10 "+claim+" "+form, func(t *testing.T) {
				c := testConfig(t, "HS256")
				var told []string
				c.SkippedClaims = func(claims []string) { told = claims }
				id := identityOf(t, c, map[string]any{claim: value, "scp": []string{"write"}, "username": "root"})
				if !slices.Equal(id.Unknown, []string{field}) || len(told) != 1 || !strings.HasPrefix(told[0], claim+": ") {
					t.Errorf("unknown %v, told %v", id.Unknown, told)
				}
				empty := map[string]bool{
					"roles": len(id.Roles) == 0, "groups": len(id.Groups) == 0, "scopes": len(id.Scopes) == 0,
					"username": id.Username == "", "name": id.Name == "", "email": id.Email == "",
				}
				if !empty[field] {
					t.Errorf("got %+v", id)
				}
			})
		}
	}
}

// Claims that the issuer tells elsewhere are unknown, and what the token has of
// them counts for nothing.
func TestS10Overage(t *testing.T) {
	mapped := map[string][]string{"groups": {"member_of", "groups"}}
	for name, test := range map[string]struct {
		changes map[string]any
		mapping map[string][]string
		want    []string
		groups  []string
	}{
		"S-10 Entra's groups":        {map[string]any{"_claim_names": map[string]any{"groups": "src1"}, "_claim_sources": map[string]any{}}, nil, []string{"claims", "groups"}, nil},
		"S-10 hasgroups":             {map[string]any{"hasgroups": true}, nil, []string{"claims", "groups"}, nil},
		"S-10 hasgroups as text":     {map[string]any{"hasgroups": "true"}, nil, []string{"claims", "groups"}, nil},
		"S-10 hasgroups false":       {map[string]any{"hasgroups": false, "groups": []string{"a"}}, nil, nil, []string{"a"}},
		"S-10 a part of the groups":  {map[string]any{"hasgroups": true, "groups": []string{"a"}}, nil, []string{"claims", "groups"}, nil},
		"S-10 mapped and told":       {map[string]any{"_claim_names": map[string]any{"groups": "src1"}, "member_of": []string{"a"}}, mapped, []string{"claims"}, []string{"a"}},
		"S-10 mapped and elsewhere":  {map[string]any{"_claim_names": map[string]any{"groups": "src1"}}, mapped, []string{"claims", "groups"}, nil},
		"S-10 roles and email":       {map[string]any{"_claim_names": map[string]any{"roles": "a", "email": "b"}}, nil, []string{"claims", "email", "roles"}, nil},
		"S-10 an unreadable mark":    {map[string]any{"_claim_names": "groups"}, nil, []string{"claims", "email", "groups", "name", "roles", "scopes", "username"}, nil},
		"S-10 no claim is elsewhere": {map[string]any{"_claim_names": map[string]any{}, "groups": []string{"a"}}, nil, nil, []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := testConfig(t, "HS256")
			c.Map = test.mapping
			id := identityOf(t, c, test.changes)
			if !slices.Equal(id.Unknown, append([]string{}, test.want...)) || !slices.Equal(id.Groups, append([]string{}, test.groups...)) {
				t.Errorf("unknown %v, groups %v", id.Unknown, id.Groups)
			}
		})
	}
}

// Without the answer of userinfo, what it might have said is unknown.
func TestS10IncompleteUserinfo(t *testing.T) {
	v := clientVerifier(t, "RS256")
	got, err := v.VerifyID(idToken("RS256", map[string]any{"name": "Alice"}), expect(nil))
	if err != nil {
		t.Fatal(err)
	}
	got.Incomplete = true
	id, err := v.Identify(got, nil)
	if want := []string{"claims", "email", "groups", "roles", "username"}; err != nil || !slices.Equal(id.Unknown, want) {
		t.Errorf("unknown %v, %v, want %v", id.Unknown, err, want)
	}
}

// A foreign form at a field that the site maps itself refuses the token, and so
// does the lack of a text for the id.
func TestS11MappedForms(t *testing.T) {
	for _, field := range []string{"id", "username", "name", "email", "roles", "groups", "scopes"} {
		c := testConfig(t, "HS256")
		c.Map = map[string][]string{field: {"own", "sub"}}
		v := newVerifier(t, c)
		forms := maps.Clone(foreignForms)
		if !slices.Contains(listFields, field) {
			forms["list of strings"] = []string{"alice"}
		}
		for form, value := range forms {
			t.Run("S-11 "+field+" "+form, func(t *testing.T) {
				refused := wantReason(t, v, token("HS256", map[string]any{"own": value}), authenticator.ReasonTokenMalformed)
				if problem := refused.detail("problem"); !strings.Contains(problem, "has in the claim own, mapped to "+field+", ") {
					t.Errorf("problem %q", problem)
				}
			})
		}
		wantReason(t, v, token("HS256", map[string]any{"own": null}), authenticator.ReasonNone)
	}
	c := testConfig(t, "HS256")
	c.Map = map[string][]string{"id": {"oid"}}
	for form, value := range map[string]any{"null": null, "absent": nil, "empty": ""} {
		t.Run("S-11 id "+form, func(t *testing.T) {
			wantReason(t, newVerifier(t, c), token("HS256", map[string]any{"oid": value}), authenticator.ReasonTokenMalformed)
		})
	}
}

// Others of the kind: what restricts is refused or held, what only informs is shown.
func TestN05NearbyClaims(t *testing.T) {
	v := newVerifier(t, testConfig(t, "HS256"))
	wantReason(t, v, token("HS256", map[string]any{"events": map[string]any{logoutEvent: map[string]any{}}}), authenticator.ReasonTokenType)
	wantReason(t, v, forge("HS256", testSecret, `{"alg":"HS256","crit":["exp"],"exp":1}`, claimsWith(nil)), authenticator.ReasonTokenMalformed)
	shown := map[string]any{
		"act": map[string]any{"sub": "proxy"}, "may_act": map[string]any{"sub": "other"},
		"authorization_details": []any{map[string]any{"type": "payment"}}, "not_before": number("9999999999"),
	}
	id := identityOf(t, testConfig(t, "HS256"), shown)
	for name := range shown {
		if id.Claims[name] == nil {
			t.Errorf("%s is not shown", name)
		}
	}
}

// FuzzClaimForms: claims of any form neither panic nor give rights that no claim
// of the right form gives.
func FuzzClaimForms(f *testing.F) {
	v := newVerifier(f, testConfig(f, "HS256"))
	f.Add([]byte(`{"groups":null,"roles":{"admin":true},"scope":["a",1],"amr":[{"method":"otp"}],"acr":3,"auth_time":"2027-01-15T07:59:00Z"}`))
	f.Add([]byte(`{"_claim_names":{"groups":"s"},"hasgroups":[],"azp":{},"gty":[1],"kubernetes.io":1,"preferred_username":"service-account-x"}`))
	f.Add([]byte(`{"roles":[{"value":"x"}],"email":[],"sid":1e9,"idtyp":false,"cnf":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		claims, err := decodeObject(data)
		if err != nil {
			return
		}
		claims["sub"] = "alice"
		id, err := v.identify(claims, kindOf(claims), "none")
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		said := map[string]bool{}
		collect(map[string]any(claims), said)
		for field, list := range map[string][]string{"roles": id.Roles, "groups": id.Groups, "scopes": id.Scopes, "amr": id.AMR} {
			if len(list) > 0 && slices.Contains(id.Unknown, field) {
				t.Fatalf("%s: %s is %v and unknown", data, field, list)
			}
			for _, word := range list {
				if !said[word] {
					t.Fatalf("%s: %s has %q from nowhere", data, field, word)
				}
			}
		}
		if id.AuthTime > testNow.Add(v.leeway).Unix() || id.AuthTime < 0 {
			t.Fatalf("%s: auth_time %d", data, id.AuthTime)
		}
		for _, name := range id.Unknown {
			if !slices.Contains(authenticator.UnknownFields(), name) {
				t.Fatalf("%s: unknown %s", data, name)
			}
		}
	})
}

// collect notes every string that a JSON value has as a value, and the words in it.
func collect(value any, said map[string]bool) {
	switch value := value.(type) {
	case string:
		said[value] = true
		for _, word := range splitScope(value) {
			said[word] = true
		}
	case []any:
		for _, item := range value {
			collect(item, said)
		}
	case map[string]any:
		for _, item := range value {
			collect(item, said)
		}
	}
}
