package policyauth

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// setting is a next handler that sets cookies.
func setting(lines ...string) caddyhttp.Handler {
	return caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		for _, line := range lines {
			w.Header().Add("Set-Cookie", line)
		}
		w.WriteHeader(http.StatusOK)
		return nil
	})
}

// TestS09Fixation: what is behind a site sets none of its cookies, on requests that are
// judged or not and on preflights, also where another site of the host has the login;
// a dead cookie is cleared all the same.
func TestS09Fixation(t *testing.T) {
	w := newEnv(t)
	w.Write("policies/policy.rego", "package caddy.authz\n\nallow := {\"allow\": true, \"response_headers_to_add\": {\"Set-Cookie\": [\"__Host-policy_auth=evil\", \"c=3\"]}}\n")
	signed := secure(get("/public/x"))
	dead := secure(get("/public/x", "Cookie", "__Host-policy_auth="+strings.Repeat("A", 43)))
	const cleared = "__Host-policy_auth=; Path=/; Max-Age=0; HttpOnly; Secure"
	tests := []struct {
		name, block string
		r           *http.Request
		set, want   []string
	}{
		{"S-09 others stay", formSite, signed, []string{"a=1", "b=2; Path=/"}, []string{"a=1", "b=2; Path=/"}},
		{"S-09 the session's", formSite, signed, []string{"a=1", "__Host-policy_auth=evil; Path=/; Secure"}, []string{"a=1"}},
		{"S-09 the one over plain HTTP", formSite, signed, []string{"policy_auth=evil"}, nil},
		{"S-09 those of a sign-in", formSite, signed, []string{"__Host-policy_auth_login=evil", "__Host-policy_auth_completed=evil"}, nil},
		{"S-09 another name", strings.Replace(formSite, "session {", "session {\n cookie_name __Host-id", 1), signed, []string{"__Host-id=evil", "id=evil", "__Host-policy_auth=evil"}, nil},
		{"S-09 a dead one is cleared", formSite, dead, []string{"__Host-policy_auth=evil"}, []string{cleared}},
		{"S-09 without a login", basicSite, signed, []string{"__Host-policy_auth=evil", "__Secure-policy_auth=evil", "policy_auth=its own"}, []string{"policy_auth=its own"}},
		{"S-09 a preflight", formSite + "cors upstream\n", preflightOf(), []string{"__Host-policy_auth=evil"}, nil},
		{"S-09 a path that nothing judges", formSite, signed, []string{"__Host-policy_auth=evil", "a=1"}, []string{"a=1"}},
		{"S-09 a policy's", strings.Replace(formSite, "access DIR/access.yaml", "policies DIR/policies", 1), signed, []string{"a=1"}, []string{"c=3", "a=1"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, logs := w.site(test.block)
			if strings.HasSuffix(test.name, "nothing judges") {
				h.matchers = caddyhttp.MatcherSets{caddyhttp.MatcherSet{caddyhttp.MatchPath{"/private/*"}}}
			}
			answer, err := ask(h, test.r, setting(test.set...))
			if err != nil || answer.Code != 200 {
				t.Fatal(answer.Code, err)
			}
			if got := answer.Result().Header["Set-Cookie"]; !slices.Equal(got, test.want) {
				t.Errorf("got %q", got)
			}
			removed := strings.HasSuffix(test.name, "a policy's") || slices.ContainsFunc(test.set, func(line string) bool { return strings.Contains(line, "evil") })
			if warned := logs.FilterMessageSnippet("sets a cookie of policy_auth").Len(); removed != (warned == 1) {
				t.Errorf("%d warnings", warned)
			}
		})
	}
}

// TestS09ServiceWorker: no page may install a service worker where passwords are
// typed, wherever its script is, for every caller; other hosts are left alone.
func TestS09ServiceWorker(t *testing.T) {
	w := newEnv(t)
	script := []string{"Service-Worker", "script", "Sec-Fetch-Mode", "same-origin", "Sec-Fetch-Dest", "serviceworker"}
	tests := []struct {
		name, block string
		r           *http.Request
		status      int
	}{
		{"S-09 a form", formSite, secure(get("/public/sw.js", script...)), 403},
		{"S-09 a known caller", formSite + "basic {\n users DIR/users.yaml\n }\n", asUser(secure(get("/sw.js", script...)), "bob"), 403},
		{"S-09 a path that nothing judges", formSite, secure(get("/sw.js", script...)), 403},
		{"S-09 another script", formSite, secure(get("/public/sw.js")), 200},
		{"S-09 no form", basicSite, secure(get("/public/sw.js", script...)), 200},
		{"S-09 a provider's login", "login oidc https://id.example.com {\n client_id app\n client_secret " + jwtSecret + "\n }\n session {\n store file DIR/store.db\n }\n access DIR/access.yaml\n", secure(get("/public/sw.js", script...)), 200},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, logs := w.site(test.block)
			if strings.HasSuffix(test.name, "nothing judges") {
				h.matchers = caddyhttp.MatcherSets{caddyhttp.MatcherSet{caddyhttp.MatchPath{"/private/*"}}}
			}
			next := new(reached)
			answer, err := ask(h, test.r, next)
			if got := statusOf(answer, err); got != test.status || (next.Request != nil) != (test.status == 200) {
				t.Errorf("got %d %v", got, err)
			}
			if found := logs.FilterField(zap.String("codes", "service_worker")).Len(); (found == 1) != (test.status == 403) {
				t.Errorf("the log says %v", logs.All())
			}
		})
	}
}
