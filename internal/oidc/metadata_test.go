package oidc

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// Optional metadata that may not be used or cannot be read counts as absent, keeps no
// user out, and is named in the log.
func TestN30OptionalMetadata(t *testing.T) {
	for name, test := range map[string]struct {
		member string
		value  any
	}{
		"sign-out over plain http": {"end_session_endpoint", "http://id.example.com/logout"},
		"a relative sign-out":      {"end_session_endpoint", "/logout"},
		"a script to sign out":     {"end_session_endpoint", "javascript:alert(1)"},
		"a number to sign out":     {"end_session_endpoint", 7},
		"userinfo over plain http": {"userinfo_endpoint", "http://id.example.com/userinfo"},
		"a file of users":          {"userinfo_endpoint", "file:///etc/passwd"},
		"an object of userinfo":    {"userinfo_endpoint", map[string]any{}},
		"methods of authorization": {"token_endpoint_auth_methods_supported", 7},
		"challenges":               {"code_challenge_methods_supported", map[string]any{}},
		"algorithms":               {"id_token_signing_alg_values_supported", []int{1}},
		"a flag":                   {"require_pushed_authorization_requests", "perhaps"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(c *Config) { c.NoUserinfo = true })
			b.fake.Metadata = func(m map[string]any) { m[test.member] = test.value }
			g := b.mustSignIn()
			if len(b.told) != 1 || !strings.Contains(b.told[0].Error(), test.member) {
				t.Errorf("told %v", b.told)
			}
			if to := b.client.EndSessionURL(g, "https://app.example.com/", "s"); (to == "") != (test.member == "end_session_endpoint") {
				t.Errorf("signs out at %q", to)
			}
		})
	}
}

// What a provider's userinfo endpoint could have told is unknown if it may not be asked.
func TestS10UnusableUserinfo(t *testing.T) {
	b := newBench(t, nil)
	b.fake.Metadata = func(m map[string]any) { m["userinfo_endpoint"] = "http://id.example.com/userinfo" }
	if g := b.mustSignIn(); !slices.Contains(g.Identity.Unknown, "groups") {
		t.Errorf("got %+v", g.Identity)
	}
}

// Lists and flags that providers write as texts are read.
func TestN30TextsInMetadata(t *testing.T) {
	d, err := readDocument([]byte(`{"issuer":"i","require_pushed_authorization_requests":"true",` +
		`"authorization_response_iss_parameter_supported":"false","id_token_signing_alg_values_supported":"ES256","code_challenge_methods_supported":null}`))
	if err != nil || !d.RequirePAR || d.SendsIss || !slices.Equal(d.Algorithms, []string{"ES256"}) || d.ChallengeMethods != nil || len(d.Ignored) != 0 {
		t.Errorf("got %+v, %v", d, err)
	}
	for _, body := range []string{"", "null", "[]", "<html>"} {
		if _, err := readDocument([]byte(body)); err == nil || !strings.Contains(err.Error(), "not a JSON object") {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// An empty error beside tokens is none.
func TestN30EmptyError(t *testing.T) {
	b := newBench(t, nil)
	b.fake.Tokens = func(_ string, answer map[string]any) { answer["error"] = "" }
	b.mustSignIn()
	b.fake.Tokens = func(_ string, answer map[string]any) { answer["error"] = map[string]any{} }
	if _, err := b.signIn(NoStepUp); err == nil {
		t.Error("an error of a foreign form counts as none")
	}
}

// What the provider says of an error is in the log also if the answer does not say of
// which provider it is.
func TestN30ErrorWithoutIssuer(t *testing.T) {
	b := newBench(t, nil)
	b.fake.Answer = func(_, a url.Values) {
		a.Del("iss")
		a.Del("code")
		a.Set("error", "invalid_scope")
		a.Set("error_description", "no such scope\n")
	}
	_, err := b.signIn(NoStepUp)
	if f := failure(t, err, 400); f.Reason != "token_issuer" || !strings.Contains(f.Error(), `invalid_scope: no such scope\n`) {
		t.Errorf("got %v", f)
	}
}
