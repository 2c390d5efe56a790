package token

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

const testClient = "our-client"

// clientVerifier verifies what the issuer makes for testClient.
func clientVerifier(t testing.TB, algorithm string) *Verifier {
	t.Helper()
	c := testConfig(t, algorithm)
	c.Audiences, c.ExtraAudiences, c.MaxAge = []string{testClient}, []string{"tolerated"}, 10*time.Minute
	return newVerifier(t, c)
}

// idToken signs an ID token that is good for testExpected, changed.
func idToken(algorithm string, changes map[string]any) string {
	claims := map[string]any{"aud": testClient, "nonce": "n-1"}
	maps.Copy(claims, changes)
	return token(algorithm, claims)
}

// expect returns what idToken answers to, changed.
func expect(change func(*Expected)) Expected {
	want := Expected{Nonce: "n-1", AccessToken: "access", Code: "code", MaxAge: -1}
	if change != nil {
		change(&want)
	}
	return want
}

// TestVerifyID: R-OID-7, R-OID-8 and R-SU-3, OpenID Connect Core, section 3.1.3.7.
func TestVerifyID(t *testing.T) {
	now := testNow.Unix()
	stale := func(w *Expected) { w.Refreshed, w.Subject, w.AuthTime = true, "alice", now-1000 }
	tests := []struct {
		name    string
		changes map[string]any
		change  func(*Expected)
		want    authenticator.Reason
	}{
		{"good", nil, nil, ""},
		{"another issuer", map[string]any{"iss": "https://evil.example"}, nil, authenticator.ReasonTokenIssuer},
		{"no issuer", map[string]any{"iss": nil}, nil, authenticator.ReasonTokenIssuer},
		{"an issuer with a slash more", map[string]any{"iss": testIssuer + "/"}, nil, authenticator.ReasonTokenIssuer},
		{"another audience", map[string]any{"aud": "other"}, nil, authenticator.ReasonTokenAudience},
		{"no audience", map[string]any{"aud": nil}, nil, authenticator.ReasonTokenAudience},
		{"a list with us alone", map[string]any{"aud": []string{testClient}}, nil, ""},
		{"N-23 an audience more, issued to us", map[string]any{"aud": []string{testClient, "281@project", "281"}, "azp": testClient}, nil, ""},
		{"N-23 an audience more without azp", map[string]any{"aud": []string{testClient, "other"}}, nil, authenticator.ReasonTokenAudience},
		{"N-23 an audience that is tolerated", map[string]any{"aud": []string{testClient, "tolerated"}}, nil, ""},
		{"S-29 tolerated alone", map[string]any{"aud": "tolerated"}, nil, authenticator.ReasonTokenAudience},
		{"S-29 issued to us, for others alone", map[string]any{"aud": "other", "azp": testClient}, nil, authenticator.ReasonTokenAudience},
		{"S-29 tolerated, issued to another client", map[string]any{"aud": []string{testClient, "tolerated"}, "azp": "tolerated"}, nil, authenticator.ReasonTokenAudience},
		{"issued to us", map[string]any{"azp": testClient}, nil, ""},
		{"issued to another client", map[string]any{"azp": "other"}, nil, authenticator.ReasonTokenAudience},
		{"issued to a number", map[string]any{"azp": 1}, nil, authenticator.ReasonTokenMalformed},
		{"no subject", map[string]any{"sub": nil}, nil, authenticator.ReasonTokenMalformed},
		{"an empty subject", map[string]any{"sub": ""}, nil, authenticator.ReasonTokenMalformed},
		{"a subject that is a number", map[string]any{"sub": 7}, nil, authenticator.ReasonTokenMalformed},
		{"expired", map[string]any{"exp": now - 61}, nil, authenticator.ReasonTokenExpired},
		{"expired within the leeway", map[string]any{"exp": now - 59}, nil, ""},
		{"no expiry", map[string]any{"exp": nil}, nil, authenticator.ReasonTokenMalformed},
		{"no time of issue", map[string]any{"iat": nil}, nil, authenticator.ReasonTokenMalformed},
		{"issued long ago", map[string]any{"iat": now - 3600}, nil, authenticator.ReasonTokenExpired},
		{"issued tomorrow", map[string]any{"iat": now + 3600, "exp": now + 7200}, nil, authenticator.ReasonTokenNotYetValid},
		{"another nonce", map[string]any{"nonce": "n-2"}, nil, authenticator.ReasonLoginStateInvalid},
		{"no nonce", map[string]any{"nonce": nil}, nil, authenticator.ReasonLoginStateInvalid},
		{"an empty nonce, none asked", map[string]any{"nonce": ""}, func(w *Expected) { w.Nonce = "" }, authenticator.ReasonLoginStateInvalid},
		{"a nonce that is a list", map[string]any{"nonce": []string{"n-1"}}, nil, authenticator.ReasonTokenMalformed},
		{"the hash of the access token", map[string]any{"at_hash": halfHash("RS256", "access")}, nil, ""},
		{"the hash of another", map[string]any{"at_hash": halfHash("RS256", "other")}, nil, authenticator.ReasonTokenMalformed},
		{"an empty hash", map[string]any{"at_hash": ""}, nil, authenticator.ReasonTokenMalformed},
		{"the hash of the code", map[string]any{"c_hash": halfHash("RS256", "code")}, nil, ""},
		{"the hash of another code", map[string]any{"c_hash": halfHash("RS256", "other")}, nil, authenticator.ReasonTokenMalformed},
		{"the level asked for", map[string]any{"acr": "phr"}, func(w *Expected) { w.ACRValues = []string{"phrh", "phr"} }, ""},
		{"another level", map[string]any{"acr": "1"}, func(w *Expected) { w.ACRValues = []string{"phr"} }, authenticator.ReasonStepUpRequired},
		{"no level", nil, func(w *Expected) { w.ACRValues = []string{"phr"} }, authenticator.ReasonStepUpRequired},
		{"fresh enough", map[string]any{"auth_time": now - 100}, func(w *Expected) { w.MaxAge = 60 }, ""},
		{"just now", map[string]any{"auth_time": now}, func(w *Expected) { w.MaxAge = 0 }, ""},
		{"too long ago", map[string]any{"auth_time": now - 200}, func(w *Expected) { w.MaxAge = 60 }, authenticator.ReasonStepUpRequired},
		{"who knows when", nil, func(w *Expected) { w.MaxAge = 60 }, authenticator.ReasonStepUpRequired},
		{"a time that is text", map[string]any{"auth_time": "now"}, nil, ""},
		{"refreshed", map[string]any{"nonce": nil, "auth_time": now - 1000}, stale, ""},
		{"refreshed, the same nonce", nil, stale, ""},
		{"refreshed, another nonce", map[string]any{"nonce": "n-2"}, stale, authenticator.ReasonLoginStateInvalid},
		{"refreshed for another user", map[string]any{"sub": "bob"}, stale, authenticator.ReasonCredentialsInvalid},
		{"refreshed, another sign-in", map[string]any{"auth_time": now}, stale, authenticator.ReasonCredentialsInvalid},
	}
	v := clientVerifier(t, "RS256")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := v.VerifyID(idToken("RS256", test.changes), expect(test.change))
			if reason := reasonOf(t, err); reason != test.want || (got == nil) != (test.want != "") {
				t.Errorf("got %+v, %v; want %q", got, err, test.want)
			}
		})
	}
}

// TestVerifyIDHeader: what is not an ID token by its header is none, and none is
// taken unsigned, although the token came straight from the issuer (R-OID-7).
func TestVerifyIDHeader(t *testing.T) {
	v := clientVerifier(t, "RS256")
	payload := claimsWith(map[string]any{"aud": testClient, "nonce": "n-1"})
	sign := func(header string) string { return forge("RS256", rsaKey(), header, payload) }
	for name, raw := range map[string]string{
		"no type":            sign(`{"alg":"RS256"}`),
		"the type spelt out": sign(`{"alg":"RS256","typ":"application/jwt"}`),
	} {
		if _, err := v.VerifyID(raw, expect(nil)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	tests := map[string]struct {
		raw  string
		want authenticator.Reason
	}{
		"an access token": {sign(`{"alg":"RS256","typ":"at+jwt"}`), authenticator.ReasonTokenType},
		"a logout token":  {sign(`{"alg":"RS256","typ":"logout+jwt"}`), authenticator.ReasonTokenType},
		"unsigned":        {encode(`{"alg":"none"}`) + "." + encode(payload) + ".", authenticator.ReasonTokenMalformed},
		"alg none, signed": {
			encode(`{"alg":"none"}`) + "." + encode(payload) + "." + encode("x"), authenticator.ReasonTokenSignature,
		},
		"by a secret":      {forge("HS256", []byte(testClient), `{"alg":"HS256"}`, payload), authenticator.ReasonTokenSignature},
		"by another key":   {forge("ES256", p256Key(), `{"alg":"ES256"}`, payload), authenticator.ReasonTokenSignature},
		"changed after":    {sign(`{"alg":"RS256"}`) + "A", authenticator.ReasonTokenSignature},
		"not a token":      {"opaque", authenticator.ReasonTokenMalformed},
		"a list of claims": {forge("RS256", rsaKey(), `{"alg":"RS256"}`, `[]`), authenticator.ReasonTokenMalformed},
	}
	for name, test := range tests {
		if _, err := v.VerifyID(test.raw, expect(nil)); reasonOf(t, err) != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	if _, err := v.Verify(sign(`{"alg":"RS256"}`)); reasonOf(t, err) != authenticator.ReasonTokenType {
		t.Errorf("an ID token passed for an access token: %v", err)
	}
}

// TestHalfHash: the example of OpenID Connect Core, appendix A.3, and the hash of
// each algorithm.
func TestHalfHash(t *testing.T) {
	if got := halfHash("RS256", "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"); got != "77QmUPtjPfzWtF2AnpK9RQ" {
		t.Errorf("got %s", got)
	}
	for algorithm, length := range map[string]int{"ES256": 22, "PS384": 32, "ES512": 43, "EdDSA": 43} {
		if got := halfHash(algorithm, "x"); len(got) != length {
			t.Errorf("%s: %s", algorithm, got)
		}
	}
	for _, algorithm := range []string{"ES256", "PS384", "RS512", "EdDSA"} {
		raw := idToken(algorithm, map[string]any{"at_hash": halfHash(algorithm, "access")})
		if _, err := clientVerifier(t, algorithm).VerifyID(raw, expect(nil)); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
}

// TestIdentify: userinfo adds to the token and replaces nothing.
func TestIdentify(t *testing.T) {
	c := testConfig(t, "RS256")
	c.Audiences, c.Map = []string{testClient}, map[string][]string{"roles": {"realm_access.roles"}}
	v := newVerifier(t, c)
	good, err := v.VerifyID(idToken("RS256", map[string]any{"name": "Alice", "sid": "s-1", "azp": testClient}), expect(nil))
	if err != nil {
		t.Fatal(err)
	}
	more, err := v.ParseUserinfo([]byte(`{"sub":"alice","name":"Mallory","email":"a@example.com","acr":"high","auth_time":1,"exp":1,"groups":["staff"],"realm_access":{"roles":["admin"]}}`), false)
	if err != nil {
		t.Fatal(err)
	}
	id, err := v.Identify(good, more)
	if err != nil {
		t.Fatal(err)
	}
	if id.ID != "alice" || id.Name != "Alice" || id.Email != "a@example.com" || id.ACR != "" || id.AuthTime != 0 || id.ExpiresAt != 0 ||
		id.Kind != authenticator.KindUser || id.Issuer != testIssuer || !slices.Equal(id.Groups, []string{"staff"}) || !slices.Equal(id.Roles, []string{"admin"}) {
		t.Errorf("got %+v", id)
	}
	if good.SessionID != "s-1" || id.Claims["exp"] == json.Number("1") {
		t.Errorf("got %+v, %v", good, id.Claims)
	}
	if _, err := v.Identify(good, map[string]any{"realm_access": map[string]any{"roles": 7.0}}); reasonOf(t, err) != authenticator.ReasonTokenMalformed {
		t.Errorf("mapped roles that are a number: %v", err)
	}
}

// TestParseUserinfo: an answer is a JSON object, or a signed token for us.
func TestParseUserinfo(t *testing.T) {
	v := clientVerifier(t, "RS256")
	if claims, err := v.ParseUserinfo([]byte(token("RS256", map[string]any{"aud": testClient, "exp": nil, "iat": nil})), true); err != nil || claims["sub"] != "alice" {
		t.Errorf("signed: %v, %v", claims, err)
	}
	tests := map[string]struct {
		body   string
		signed bool
		want   authenticator.Reason
	}{
		"not JSON":                 {"<html>", false, authenticator.ReasonTokenMalformed},
		"a list":                   {"[]", false, authenticator.ReasonTokenMalformed},
		"a member twice":           {`{"sub":"a","sub":"b"}`, false, authenticator.ReasonTokenMalformed},
		"signed for another":       {token("RS256", nil), true, authenticator.ReasonTokenAudience},
		"signed by another issuer": {token("RS256", map[string]any{"aud": testClient, "iss": "https://evil.example"}), true, authenticator.ReasonTokenIssuer},
		"signed by another key":    {forge("RS256", rsaKey(), `{"alg":"RS256","kid":"x"}`, claimsWith(map[string]any{"aud": testClient}))[:40] + ".e30.AAAA", true, authenticator.ReasonTokenMalformed},
		"unsigned":                 {`{"sub":"alice"}`, true, authenticator.ReasonTokenMalformed},
	}
	for name, test := range tests {
		if _, err := v.ParseUserinfo([]byte(test.body), test.signed); reasonOf(t, err) != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
}

// FuzzVerifyID: what anybody sends is refused, and nothing panics (T-66).
func FuzzVerifyID(f *testing.F) {
	f.Add(idToken("RS256", nil))
	f.Add("a.b.c")
	v := clientVerifier(f, "ES256")
	f.Fuzz(func(t *testing.T, raw string) {
		if _, err := v.VerifyID(raw, expect(nil)); err == nil {
			t.Errorf("%q passed", raw)
		}
		if _, err := v.VerifyLogout(raw); err == nil {
			t.Errorf("%q passed", raw)
		}
	})
}

// TestKeepTogether: a claim that says whether another one was verified comes from the
// same document as that one.
func TestKeepTogether(t *testing.T) {
	v := clientVerifier(t, "HS256")
	for name, test := range map[string]struct {
		idToken        object
		userinfo, want map[string]any
	}{
		"another address":         {object{"email": "victim@example.com"}, map[string]any{"email": "own@evil.example", "email_verified": true}, map[string]any{"email": "victim@example.com"}},
		"verified by userinfo":    {object{"email": "a@example.com"}, map[string]any{"email": "a@example.com", "email_verified": true}, map[string]any{"email": "a@example.com", "email_verified": true}},
		"no string":               {object{"email": true}, map[string]any{"email": true, "email_verified": true}, map[string]any{"email": true}},
		"an address of userinfo":  {object{"email_verified": true}, map[string]any{"email": "own@evil.example"}, map[string]any{"email": "own@evil.example"}},
		"null in the ID token":    {object{"email": nil, "email_verified": true}, map[string]any{"email": "own@evil.example", "email_verified": false}, map[string]any{"email": "own@evil.example", "email_verified": false}},
		"both of the ID token":    {object{"email": "a@example.com", "email_verified": true}, map[string]any{"email": "b@example.com", "email_verified": false}, map[string]any{"email": "a@example.com", "email_verified": true}},
		"both of userinfo":        {object{}, map[string]any{"email": "a@example.com", "email_verified": true}, map[string]any{"email": "a@example.com", "email_verified": true}},
		"another telephone":       {object{"phone_number": "+1"}, map[string]any{"phone_number": "+2", "phone_number_verified": true}, map[string]any{"phone_number": "+1"}},
		"without its own subject": {object{"x_verified": true}, map[string]any{}, map[string]any{"x_verified": true}},
	} {
		test.idToken["sub"], test.want["sub"] = "alice", "alice"
		id, err := v.Identify(&IDToken{claims: test.idToken}, test.userinfo)
		if err != nil {
			t.Fatal(name, err)
		}
		for _, claim := range []string{"email", "email_verified", "phone_number", "phone_number_verified", "x_verified"} {
			if id.Claims[claim] != test.want[claim] {
				t.Errorf("%s: %s is %v, want %v", name, claim, id.Claims[claim], test.want[claim])
			}
		}
	}
}
