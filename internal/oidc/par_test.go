package oidc

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// A provider that requires it gets the parameters from the client, and the browser
// brings a reference alone; what goes wrong says so.
func TestN29Pushed(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Parameters = map[string][]string{"audience": {"api"}} })
	b.fake.Pushed = true
	b.fake.Metadata = func(m map[string]any) {
		m["authorization_endpoint"] = b.fake.URL + "/authorize?tenant=a"
	}
	plain, pending, err := b.client.Authorize(t.Context(), state, redirectURI, StepUp{ACRValues: []string{"phr"}, MaxAge: 60})
	if err != nil || b.fake.Seen("/par") != 0 {
		t.Fatalf("%v, %d requests before it was counted", err, b.fake.Seen("/par"))
	}
	to, err := b.client.PushAuthorization(t.Context(), plain, state, pending)
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(to)
	if q := u.Query(); len(q) != 3 || q.Get("tenant") != "a" || q.Get("client_id") != b.fake.ClientID || !strings.HasPrefix(q.Get("request_uri"), "urn:") {
		t.Errorf("the browser is sent with %s", to)
	}
	b.fake.Metadata = nil
	b.mustSignIn()
	asked := b.fake.Asked()[0]
	if asked.Get("audience") != "api" || asked.Get("code_challenge_method") != "S256" || asked.Get("redirect_uri") != redirectURI {
		t.Errorf("pushed %v", asked)
	}
}

// What the endpoint of pushed requests answers instead.
func TestN29PushFails(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		want   int
		says   string
	}{
		"refused":         {400, `{"error": "invalid_request", "error_description": "no"}`, 502, "the endpoint of pushed requests answered 400 invalid_request: no"},
		"down":            {503, "", 503, "answered 503"},
		"no name":         {201, `{"expires_in": 60}`, 502, "gave no request_uri"},
		"a name too long": {201, `{"request_uri": "` + strings.Repeat("x", maxRequestURI+1) + `"}`, 502, "gave no request_uri"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			}))
			defer server.Close()
			b := newBench(t, nil)
			b.fake.Pushed = true
			b.fake.Metadata = func(m map[string]any) { m["pushed_authorization_request_endpoint"] = server.URL }
			to, pending, err := b.client.Authorize(t.Context(), state, redirectURI, NoStepUp)
			if err != nil {
				t.Fatal(err)
			}
			_, err = b.client.PushAuthorization(t.Context(), to, state, pending)
			if f := failure(t, err, test.want); !strings.Contains(f.Error(), test.says) {
				t.Errorf("got %q", f)
			}
		})
	}
	b := newBench(t, nil)
	b.fake.Metadata = func(m map[string]any) { m["require_pushed_authorization_requests"] = true }
	if err := b.authorize(); err == nil || !strings.Contains(err.Error(), "pushed_authorization_request_endpoint") {
		t.Errorf("no endpoint to push to: %v", err)
	}
}

// Extra parameters never stand for one of the protocol, in any case of letters.
func TestS29Parameters(t *testing.T) {
	for _, name := range []string{
		"response_type", "Response_Mode", "redirect_uri", "REDIRECT_URI", "state", "nonce", "code", "code_challenge", "code_x", "client_id", "client_x", "Client_Assertion",
		"scope", "request", "request_uri", "requested", "max_age", "acr_values", "prompt", "login_hint", "id_token_hint", "a b", "a=b", "", "ä", strings.Repeat("x", 65),
	} {
		if err := CheckParameters(map[string][]string{name: {"x"}}); err == nil || !strings.HasPrefix(err.Error(), "parameters: ") {
			t.Errorf("%q passed", name)
		}
	}
	for _, value := range []string{"", "{http.request.host}", "x{http.vars.y}", "a\r\nb", "a\x00", strings.Repeat("x", maxParameter+1)} {
		if err := CheckParameters(map[string][]string{"audience": {value}}); err == nil {
			t.Errorf("the value %q passed", value)
		}
	}
	if err := CheckParameters(map[string][]string{"audience": {"a", "b"}}); err == nil {
		t.Error("an audience twice")
	}
	b := newBench(t, func(c *Config) {
		c.Parameters = map[string][]string{"audience": {"https://api.example.com/?a=b&c"}, "resource": {"a", "b"}, "kc_idp_hint": {"ü"}, "access_type": {"offline"}}
	})
	b.mustSignIn()
	asked := b.fake.Asked()[0]
	if asked.Get("audience") != "https://api.example.com/?a=b&c" || strings.Join(asked["resource"], " ") != "a b" || asked.Get("kc_idp_hint") != "ü" || asked.Get("client_id") != b.fake.ClientID {
		t.Errorf("asked %v", asked)
	}
}
