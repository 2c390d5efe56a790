package token

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// number is a claim's number as it is written.
func number(text string) json.RawMessage { return json.RawMessage(text) }

// claimCase is a change of good claims and what becomes of the token.
type claimCase struct {
	changes map[string]any
	want    authenticator.Reason
}

func runClaims(t *testing.T, c Config, cases map[string]claimCase) {
	t.Helper()
	v := newVerifier(t, c)
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			wantReason(t, v, token("HS256", test.changes), test.want)
		})
	}
}

// R-JWT-13, T-52.
func TestClaimsIssuer(t *testing.T) {
	runClaims(t, testConfig(t, "HS256"), map[string]claimCase{
		"exact":              {nil, ""},
		"trailing slash":     {map[string]any{"iss": testIssuer + "/"}, authenticator.ReasonTokenIssuer},
		"other case":         {map[string]any{"iss": "https://ID.example.com"}, authenticator.ReasonTokenIssuer},
		"http":               {map[string]any{"iss": "http://id.example.com"}, authenticator.ReasonTokenIssuer},
		"default port":       {map[string]any{"iss": testIssuer + ":443"}, authenticator.ReasonTokenIssuer},
		"longer":             {map[string]any{"iss": testIssuer + ".evil.example"}, authenticator.ReasonTokenIssuer},
		"with NUL":           {map[string]any{"iss": testIssuer + "\x00"}, authenticator.ReasonTokenIssuer},
		"other composition":  {map[string]any{"iss": "https://id.e\u0301xample.com"}, authenticator.ReasonTokenIssuer},
		"empty":              {map[string]any{"iss": ""}, authenticator.ReasonTokenIssuer},
		"absent":             {map[string]any{"iss": nil}, authenticator.ReasonTokenIssuer},
		"null":               {map[string]any{"iss": null}, authenticator.ReasonTokenIssuer},
		"number":             {map[string]any{"iss": 1}, authenticator.ReasonTokenMalformed},
		"list":               {map[string]any{"iss": []string{testIssuer}}, authenticator.ReasonTokenMalformed},
		"object":             {map[string]any{"iss": map[string]any{}}, authenticator.ReasonTokenMalformed},
		"as long as fits in": {map[string]any{"iss": strings.Repeat("x", 11<<10)}, authenticator.ReasonTokenIssuer},
	})
}

// Any issuer, for tokens that static keys vouch for.
func TestClaimsAnyIssuer(t *testing.T) {
	c := testConfig(t, "HS256")
	c.Issuer = ""
	runClaims(t, c, map[string]claimCase{
		"one":    {nil, ""},
		"other":  {map[string]any{"iss": "https://b.example"}, ""},
		"absent": {map[string]any{"iss": nil}, ""},
		"number": {map[string]any{"iss": 1}, authenticator.ReasonTokenMalformed},
	})
}

// R-JWT-14, T-34.
func TestClaimsAudience(t *testing.T) {
	c := testConfig(t, "HS256")
	c.Audiences = []string{testAudience, "second"}
	runClaims(t, c, map[string]claimCase{
		"one":                {nil, ""},
		"second":             {map[string]any{"aud": "second"}, ""},
		"in a list":          {map[string]any{"aud": []string{"x", testAudience}}, ""},
		"other":              {map[string]any{"aud": "x"}, authenticator.ReasonTokenAudience},
		"others":             {map[string]any{"aud": []string{"x", "y"}}, authenticator.ReasonTokenAudience},
		"trailing slash":     {map[string]any{"aud": testAudience + "/"}, authenticator.ReasonTokenAudience},
		"prefix":             {map[string]any{"aud": "https://api.example"}, authenticator.ReasonTokenAudience},
		"joined":             {map[string]any{"aud": testAudience + " second"}, authenticator.ReasonTokenAudience},
		"absent":             {map[string]any{"aud": nil}, authenticator.ReasonTokenAudience},
		"empty list":         {map[string]any{"aud": []string{}}, authenticator.ReasonTokenAudience},
		"empty string":       {map[string]any{"aud": ""}, authenticator.ReasonTokenAudience},
		"null":               {map[string]any{"aud": null}, authenticator.ReasonTokenAudience},
		"number":             {map[string]any{"aud": 1}, authenticator.ReasonTokenMalformed},
		"true":               {map[string]any{"aud": true}, authenticator.ReasonTokenMalformed},
		"object":             {map[string]any{"aud": map[string]any{testAudience: true}}, authenticator.ReasonTokenMalformed},
		"number in the list": {map[string]any{"aud": []any{testAudience, 1}}, authenticator.ReasonTokenMalformed},
		"list in the list":   {map[string]any{"aud": []any{[]any{testAudience}}}, authenticator.ReasonTokenMalformed},
	})
}

// R-JWT-14: any audience, spelt out.
func TestClaimsAnyAudience(t *testing.T) {
	c := testConfig(t, "HS256")
	c.Audiences, c.AnyAudience = nil, true
	runClaims(t, c, map[string]claimCase{
		"one":    {nil, ""},
		"other":  {map[string]any{"aud": "x"}, ""},
		"absent": {map[string]any{"aud": nil}, ""},
		"number": {map[string]any{"aud": 1}, authenticator.ReasonTokenMalformed},
	})
}

// T-52: who the caller is, is a string.
func TestClaimsSubject(t *testing.T) {
	cases := map[string]claimCase{}
	for kind, value := range map[string]any{"number": 1, "null": null, "list": []string{"alice"}, "object": map[string]any{"a": 1}, "true": true} {
		cases["sub "+kind] = claimCase{map[string]any{"sub": value}, authenticator.ReasonTokenMalformed}
		cases["azp "+kind] = claimCase{map[string]any{"azp": value}, ""}
	}
	cases["absent"] = claimCase{map[string]any{"sub": nil}, authenticator.ReasonTokenMalformed}
	cases["empty"] = claimCase{map[string]any{"sub": ""}, authenticator.ReasonTokenMalformed}
	cases["long"] = claimCase{map[string]any{"sub": strings.Repeat("x", 11<<10)}, ""}
	runClaims(t, testConfig(t, "HS256"), cases)
}

// R-JWT-15, R-JWT-16, R-JWT-17: the boundaries, to the second.
func TestClaimsTimes(t *testing.T) {
	const leeway = 60
	now := testNow.Unix()
	runClaims(t, testConfig(t, "HS256"), map[string]claimCase{
		"now is exp-1":            {map[string]any{"exp": now + 1}, ""},
		"now is exp":              {map[string]any{"exp": now}, ""},
		"now is exp+leeway-1":     {map[string]any{"exp": now - leeway + 1}, ""},
		"now is exp+leeway":       {map[string]any{"exp": now - leeway}, authenticator.ReasonTokenExpired},
		"just before exp+leeway":  {map[string]any{"exp": number("1799999940.5")}, ""},
		"just after exp+leeway":   {map[string]any{"exp": number("1799999939.5")}, authenticator.ReasonTokenExpired},
		"long ago":                {map[string]any{"exp": 0}, authenticator.ReasonTokenExpired},
		"no exp":                  {map[string]any{"exp": nil}, authenticator.ReasonTokenMalformed},
		"now is nbf-leeway":       {map[string]any{"nbf": now + leeway}, ""},
		"now is nbf-leeway-1":     {map[string]any{"nbf": now + leeway + 1}, authenticator.ReasonTokenNotYetValid},
		"nbf later by a fraction": {map[string]any{"nbf": number("1800000060.5")}, authenticator.ReasonTokenNotYetValid},
		"now is iat-leeway":       {map[string]any{"iat": now + leeway}, ""},
		"now is iat-leeway-1":     {map[string]any{"iat": now + leeway + 1}, authenticator.ReasonTokenNotYetValid},
		"no iat":                  {map[string]any{"iat": nil}, ""},
		"exponent":                {map[string]any{"exp": number("1.8000003E9")}, ""},
		"the last second":         {map[string]any{"exp": maxSeconds}, ""},
	})
}

// R-JWT-15, T-34: a NumericDate is a number in range.
func TestClaimsTimeForms(t *testing.T) {
	cases := map[string]claimCase{}
	for _, name := range []string{"exp", "nbf", "iat"} {
		for kind, value := range map[string]any{
			"string": "1800000300", "true": true, "list": []int{1800000300}, "object": map[string]any{},
			"negative": -1, "minus zero": number("-0"), "1e30": number("1e30"), "1e309": number("1e309"), "-1e309": number("-1e309"),
			"milliseconds": int64(1_800_000_300_000), "after 9999": number("253402300800"), "tiny": number("1e-400"), "NaN": "NaN",
		} {
			cases[name+" "+kind] = claimCase{map[string]any{name: value}, authenticator.ReasonTokenMalformed}
		}
	}
	cases["exp null"] = claimCase{map[string]any{"exp": null}, authenticator.ReasonTokenMalformed}
	cases["nbf null"] = claimCase{map[string]any{"nbf": null}, ""}
	cases["iat null"] = claimCase{map[string]any{"iat": null}, ""}
	runClaims(t, testConfig(t, "HS256"), cases)
}

// R-JWT-16: a token's age is bounded where the operator says so.
func TestClaimsMaxAge(t *testing.T) {
	now := testNow.Unix()
	c := testConfig(t, "HS256")
	c.MaxAge, c.Leeway = 10*time.Minute, 5*time.Second
	runClaims(t, c, map[string]claimCase{
		"young":        {map[string]any{"iat": now - 604}, ""},
		"old":          {map[string]any{"iat": now - 605}, authenticator.ReasonTokenExpired},
		"no iat":       {map[string]any{"iat": nil}, authenticator.ReasonTokenMalformed},
		"expired, too": {map[string]any{"exp": now - 5}, authenticator.ReasonTokenExpired},
	})
	id, err := newVerifier(t, c).Verify(token("HS256", map[string]any{"iat": now - 100, "exp": now + 3600}))
	if err != nil || id.ExpiresAt != now+500 {
		t.Errorf("identity %v, %v: want it to end with the age at %d", id, err, now+500)
	}
}

// R-JWT-10, R-JWT-20, T-34: payloads that break the form, each signed well.
func TestClaimsForm(t *testing.T) {
	v := newVerifier(t, testConfig(t, "HS256"))
	good := claimsWith(nil)
	many := map[string]any{}
	for i := range 300 {
		many["c"+string(rune('A'+i%26))+strings.Repeat("x", i/26)] = i
	}
	for name, payload := range map[string]string{
		"twice sub":      `{"sub":"mallory",` + good[1:],
		"twice exp":      `{"exp":9999999999,` + good[1:],
		"twice inside":   `{"x":{"a":1,"a":2},` + good[1:],
		"list":           "[" + good + "]",
		"nested token":   `"` + token("HS256", nil) + `"`,
		"empty":          "",
		"trailing":       good + "x",
		"two objects":    good + good,
		"not UTF-8":      "{\"x\":\"\xff\"," + good[1:],
		"half surrogate": `{"x":"\udfff",` + good[1:],
		"too many":       claimsWith(many),
		"too deep":       `{"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + "," + good[1:],
	} {
		t.Run(name, func(t *testing.T) {
			wantReason(t, v, forge("HS256", testSecret, `{"alg":"HS256"}`, payload), authenticator.ReasonTokenMalformed)
		})
	}
}
