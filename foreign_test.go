package policyauth

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// foreignSite is a site with sessions and tokens, whose upstream has tokens of
// its own.
const foreignSite = "jwt https://id.example.com {\n secret " + jwtSecret + "\n audience api\n unknown_issuer pass\n }\n" + formSite

// appToken returns a token that an application made for itself.
func appToken(t *testing.T, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(strings.Repeat("app", 20)))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// rawToken returns what has the form of a token with some payload.
func rawToken(payload string) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + part([]byte(payload)) + "." + part([]byte("signature"))
}

// TestN46ForeignBearer: beside a session, a bearer token of the application's
// own passes untouched; what may be one of ours, and what has no session beside
// it, is judged.
func TestN46ForeignBearer(t *testing.T) {
	w := newEnv(t)
	w.Write("policy/policy.rego", "package caddy.authz\n\ndefault allow := false\n\nallow if {\n\tinput.identity.authenticated\n\tnot startswith(input.request.path, \"/own/\")\n}\n\nallow if {\n\tinput.identity.method == \"session\"\n\tinput.request.foreign_bearer\n}\n")
	h, _ := w.site(strings.Replace(foreignSite, "access DIR/access.yaml", "policies DIR/policy", 1))
	p := visitor(t, h)
	if answer := p.SignIn("/mail", "alice", canary); answer.Code != 303 {
		t.Fatal(answer.Code)
	}
	hour := time.Now().Add(time.Hour).Unix()
	home := appToken(t, jwt.MapClaims{"iss": "6f1e5c0a9a574c52", "exp": hour})
	tests := []struct {
		name, token string
		signedIn    bool
		method      string
		more        []string
		status      int
		foreign     bool
	}{
		{"N-46 an application's token", home, true, "GET", nil, 200, true},
		{"N-46 no token at all", "llat-0123456789abcdef", true, "GET", nil, 200, true},
		{"N-46 one of ours", jwtOf(t, nil), true, "GET", nil, 200, false},
		{"S-25 no session", home, false, "GET", nil, 401, false},
		{"S-25 no token and no session", "llat-0123456789abcdef", false, "GET", nil, 401, false},
		{"S-25 our issuer, forged", appToken(t, jwt.MapClaims{"iss": "https://id.example.com", "exp": hour}), true, "GET", nil, 401, false},
		{"S-25 our issuer in capitals", appToken(t, jwt.MapClaims{"iss": "HTTPS://ID.example.com", "exp": hour}), true, "GET", nil, 401, false},
		{"S-25 our issuer and a slash", appToken(t, jwt.MapClaims{"iss": "https://id.example.com/", "exp": hour}), true, "GET", nil, 401, false},
		{"S-25 no issuer", appToken(t, jwt.MapClaims{"exp": hour}), true, "GET", nil, 401, false},
		{"S-25 a number as issuer", rawToken(`{"iss":1}`), true, "GET", nil, 401, false},
		{"S-25 two issuers", rawToken(`{"iss":"a","iss":"b"}`), true, "GET", nil, 401, false},
		{"S-25 a list of issuers", rawToken(`{"iss":["a"]}`), true, "GET", nil, 401, false},
		{"S-25 three parts that are no token", "a.b.c", true, "GET", nil, 401, false},
		{"S-25 five parts", "a.b.c.d.e", true, "GET", nil, 401, false},
		{"S-25 another site's form", home, true, "POST", []string{"Sec-Fetch-Site", "cross-site"}, 403, false},
		{"S-25 another origin's form", home, true, "POST", []string{"Origin", "https://evil.example"}, 403, false},
		{"S-25 the site's own form", home, true, "POST", []string{"Sec-Fetch-Site", "same-origin"}, 200, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := "/mail"
			if test.foreign {
				path = "/own/mail" // allowed by input.request.foreign_bearer alone
			}
			r := secure(get(path, append(test.more, "Authorization", "Bearer "+test.token)...))
			r.Method = test.method
			if test.signedIn {
				r.AddCookie(&http.Cookie{Name: "__Host-policy_auth", Value: p.Cookies["__Host-policy_auth"]})
			}
			next := new(reached)
			recorder, err := ask(h, r, next)
			if err != nil || recorder.Code != test.status {
				t.Fatalf("%d %v %s", recorder.Code, err, recorder.Body)
			}
			if !test.foreign {
				return
			}
			if got := next.Request.Header; got.Get("Authorization") != "Bearer "+test.token || got.Get("Cookie") != "" {
				t.Errorf("the upstream is told %v", got)
			}
		})
	}
	// a request without such a token has no foreign_bearer
	r := secure(get("/own/mail"))
	r.AddCookie(&http.Cookie{Name: "__Host-policy_auth", Value: p.Cookies["__Host-policy_auth"]})
	if recorder, _ := ask(h, r, new(reached)); recorder.Code != 403 {
		t.Errorf("without a token: %d", recorder.Code)
	}
}

// TestS25Load: unknown_issuer pass is refused where no token is unknown, or no
// session makes anybody known.
func TestS25Load(t *testing.T) {
	w := newEnv(t)
	w.Write("keys.yaml", "keys:\n  - id: ci\n    hash: \"sha256:"+sha("key-"+canary)+"\"\n    owner: ci\n")
	jwtAny := "jwt any {\n secret " + jwtSecret + "2\n audience api\n }\n"
	tests := []struct{ name, site, want string }{
		{"S-25 keys in bearer tokens", foreignSite + "api_key {\n keys DIR/keys.yaml\n from bearer\n }\n", "api_key takes bearer tokens of any form"},
		{"S-25 any issuer beside it", foreignSite + jwtAny, "jwt any knows every issuer"},
		{"N-46 no login", strings.Replace(foreignSite, formSite, basicSite, 1), "no login makes one"},
		{"N-46 a login elsewhere", strings.Replace(foreignSite, formSite, basicSite+loginSite, 1), "no login makes one"},
		{"N-46 keys in a header", foreignSite + "api_key {\n keys DIR/keys.yaml\n }\n", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := w.provision(test.site)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
