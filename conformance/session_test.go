package conformance

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"golang.org/x/crypto/bcrypt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/internal/admin"
)

// TestSession: a user signs in, comes back, is known to the upstream by nothing
// but what the site says, signs out and is not let in again. R-CK-9, R-LO-1,
// R-LOG-1, T-38, T-59.
func TestSession(t *testing.T) {
	w := newEnv(t)
	h, logs := w.site(formSite + "identity_headers {\n X-User id\n }\n")
	p := visitor(t, h)
	answer := p.SignIn("/mail?x=1", "alice", canary)
	if answer.Code != 303 || answer.Header().Get("Location") != "/mail?x=1" {
		t.Fatalf("%d %v", answer.Code, answer.Header())
	}
	next := new(reached)
	r := navigate(get("/mail?x=1", "Cookie", "theme=dark"))
	if answer := p.Ask(r, next); answer.Code != 200 {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	if got := next.Request.Header; got.Get("X-User") != "alice" || got.Get("Cookie") != "theme=dark" {
		t.Errorf("the upstream is told %v", got)
	}
	old := p.Cookies["__Host-policy_auth"]
	if answer := p.Ask(secure(post("/.policy_auth/logout", "Sec-Fetch-Site", "same-origin")), new(reached)); answer.Code != 303 || p.Cookies["__Host-policy_auth"] != "" {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
	p.Cookies["__Host-policy_auth"] = old
	if answer := p.Ask(secure(get("/mail", "Accept", "application/json")), new(reached)); answer.Code != 401 || p.Cookies["__Host-policy_auth"] != "" {
		t.Errorf("the old cookie: %d", answer.Code)
	}
	var lines []string
	for _, line := range logs.All() {
		lines = append(lines, line.Message)
		encoded, _ := json.Marshal(line.ContextMap())
		if strings.Contains(string(encoded), canary) || strings.Contains(string(encoded), old) {
			t.Errorf("the log holds a secret: %s", encoded)
		}
	}
	for _, want := range []string{"signed in", "signed out"} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %q in %v", want, lines)
		}
	}
}

// TestSessionAnswers: R-SES-6, R-401-1, R-CH-8. A dead session is told apart for
// programs, sends navigations to sign in, and is cleared.
func TestSessionAnswers(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(formSite)
	dead := strings.Repeat("A", 43)
	p := visitor(t, h)
	p.Cookies["__Host-policy_auth"] = dead
	answer := p.Ask(secure(get("/api/me", "Accept", "application/json", "Referer", "https://example.com/app")), new(reached))
	var problem struct {
		Class    string
		LoginURL string `json:"login_url"`
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &problem); err != nil || answer.Code != 401 || problem.Class != "expired" || problem.LoginURL != "/.policy_auth/login?return_to=%2Fapp" {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if got := answer.Header()["Set-Cookie"]; len(got) != 1 || got[0] != "__Host-policy_auth=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax" {
		t.Errorf("cleared by %v", got)
	}
	if got := answer.Header().Get("WWW-Authenticate"); got != `Session realm="restricted"` {
		t.Errorf("challenge %s", got)
	}
	p.Cookies["__Host-policy_auth"] = dead
	if answer := p.Ask(navigate(get("/mail")), new(reached)); answer.Code != 303 || answer.Header().Get("Location") != "/.policy_auth/login?return_to=%2Fmail" {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
	p.Cookies["__Host-policy_auth"] = dead
	next := new(reached)
	if answer := p.Ask(secure(get("/public/x")), next); answer.Code != 200 || next.Request.Header.Get("Cookie") != "" {
		t.Errorf("public: %d, the upstream got %q", answer.Code, next.Request.Header.Get("Cookie"))
	}
}

// TestSessionForgery: R-CSRF-1, R-CSRF-2, R-CK-5. What other sites make a browser send.
func TestSessionForgery(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(formSite + "cors {\n origins https://spa.example\n credentials\n }\n")
	p := visitor(t, h)
	p.SignIn("/mail", "bob", canary)
	socket := func(header ...string) *http.Request {
		return secure(get("/mail", append(header, webSocket...)...))
	}
	tests := []struct {
		name   string
		r      *http.Request
		status int
	}{
		{"its own page", secure(post("/mail", "Sec-Fetch-Site", "same-origin")), 200},
		{"another site's form", secure(post("/mail", "Sec-Fetch-Site", "cross-site")), 403},
		{"another site's form, for an old browser", secure(post("/mail", "Origin", "https://evil.example")), 403},
		{"another site's link", navigate(get("/mail", "Sec-Fetch-Site", "cross-site")), 200},
		{"a page that cors names", secure(post("/mail", "Sec-Fetch-Site", "cross-site", "Origin", "https://spa.example")), 200},
		{"a WebSocket of its own", socket("Origin", "https://example.com"), 200},
		{"a WebSocket of a program", socket(), 200},
		{"a WebSocket of another site", socket("Origin", "https://evil.example"), 403},
		{"a WebSocket of a site without a name", socket("Origin", "null"), 403},
		{"a WebSocket of two sites", socket("Origin", "https://example.com", "Origin", "https://evil.example"), 403},
		{"a WebSocket that cors names", socket("Origin", "https://spa.example"), 200},
		{"two sessions", secure(get("/mail", "Cookie", "__Host-policy_auth="+strings.Repeat("A", 43))), 401},
		{"a cookie that another host may have set", secure(get("/mail", "Cookie", "policy_auth=x")), 200},
	}
	session := p.Cookies["__Host-policy_auth"]
	for _, test := range tests {
		p.Cookies["__Host-policy_auth"] = session
		if answer := p.Ask(test.r, new(reached)); answer.Code != test.status {
			t.Errorf("%s: %d %s", test.name, answer.Code, answer.Body)
		}
	}
	delete(p.Cookies, "__Host-policy_auth")
	p.Cookies["policy_auth"] = session
	if answer := p.Ask(secure(get("/mail")), new(reached)); answer.Code != 401 {
		t.Errorf("the name for plain HTTP counts over TLS: %d", answer.Code)
	}
}

// TestSessionDisabled: R-401-8. A disabled user is out with the next request, for good.
func TestSessionDisabled(t *testing.T) {
	w := newEnv(t)
	hash, _ := bcrypt.GenerateFromPassword([]byte(canary), 8)
	account := "users:\n  alice:\n    password: " + string(hash) + "\n"
	w.Write("users.yaml", account)
	h, _ := w.site(formSite)
	p := visitor(t, h)
	p.SignIn("/mail", "alice", canary)
	session := p.Cookies["__Host-policy_auth"]
	reload := func(content string) {
		t.Helper()
		w.Write("users.yaml", content)
		other, _ := w.site(formSite) // takes the file at once
		p.H = other
	}
	reload(account + "    disabled: true\n")
	answer := p.Ask(navigate(get("/mail")), new(reached))
	if answer.Code != 401 || p.Cookies["__Host-policy_auth"] != "" {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
	reload(account)
	p.Cookies["__Host-policy_auth"] = session
	if answer := p.Ask(secure(get("/mail")), new(reached)); answer.Code != 401 {
		t.Errorf("enabled again, the old session is back: %d", answer.Code)
	}
}

// TestSessionReload: R-SES-7. Loading the configuration again keeps sessions, and so
// does another site of the same host; T-71: other sites do not take them.
func TestSessionReload(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(formSite)
	p := visitor(t, h)
	p.SignIn("/mail", "alice", canary)
	session := p.Cookies["__Host-policy_auth"]
	again, _ := w.site(formSite)
	if err := h.(caddy.CleanerUpper).Cleanup(); err != nil {
		t.Fatal(err)
	}
	p.H = again
	if answer := p.Ask(secure(get("/mail")), new(reached)); answer.Code != 200 {
		t.Errorf("reloaded: %d", answer.Code)
	}
	elsewhere := secure(get("/mail"))
	elsewhere.Host = "other.example.com"
	if answer := p.Ask(elsewhere, new(reached)); answer.Code != 401 {
		t.Errorf("on another host: %d", answer.Code)
	}
	w.Write("others.yaml", "users:\n  alice:\n    password: "+hashOf(t, "another")+"\n")
	others, _ := w.site(strings.ReplaceAll(formSite, "DIR/users.yaml", "DIR/others.yaml"))
	p.H, p.Cookies["__Host-policy_auth"] = others, session
	if answer := p.Ask(secure(get("/mail")), new(reached)); answer.Code != 401 {
		t.Errorf("with other users: %d", answer.Code)
	}
}

func hashOf(t *testing.T, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), 8)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

// TestSessionIdle: R-SES-1. Whoever does nothing for too long is asked again.
func TestSessionIdle(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(strings.ReplaceAll(formSite, "session {", "session {\n idle 300ms"))
	p := visitor(t, h)
	p.SignIn("/mail", "alice", canary)
	time.Sleep(400 * time.Millisecond) // in the room itself, a clock of the tests goes by
	if answer := p.Ask(navigate(get("/mail")), new(reached)); answer.Code != 303 {
		t.Errorf("still signed in: %d", answer.Code)
	}
}

// TestSessionStoreDown: R-401-6. A store that cannot be opened is 503 for callers that have
// a cookie, and nothing for others.
func TestSessionStoreDown(t *testing.T) {
	w := newEnv(t)
	w.Write("store.db", "this is no database, and large enough to be looked at as one: "+strings.Repeat("x", 1<<16))
	h, _ := w.site(formSite)
	p := visitor(t, h)
	if answer := p.Ask(secure(get("/public/x")), new(reached)); answer.Code != 200 {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	p.Cookies["__Host-policy_auth"] = strings.Repeat("A", 43)
	next := new(reached)
	if answer := p.Ask(secure(get("/mail")), next); answer.Code != 503 || answer.Header().Get("Retry-After") == "" || next.Request != nil {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
}

// TestSessionPlainHTTP: R-CK-2, R-HTTP-5. Over plain HTTP a user can sign in on their own
// machine, for development, and nowhere else.
func TestSessionPlainHTTP(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(formSite)
	plain := func(r *http.Request, host string) *http.Request {
		r.TLS, r.Host = nil, host
		return r
	}
	p := visitor(t, h)
	if answer := p.Ask(plain(navigate(get("/.policy_auth/login")), "app.example.com"), new(reached)); answer.Code != 403 || strings.Contains(answer.Body.String(), "<form") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	page := p.Ask(plain(navigate(get("/.policy_auth/login")), "localhost:8080"), new(reached)).Body.String()
	token := formToken.FindStringSubmatch(page)
	if token == nil {
		t.Fatal(page)
	}
	if answer := p.Ask(plain(filled("/.policy_auth/login", "alice", canary, token[1]), "localhost:8080"), new(reached)); answer.Code != 303 || p.Cookies["policy_auth"] == "" {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
	if answer := p.Ask(plain(get("/mail"), "localhost:8080"), new(reached)); answer.Code != 200 {
		t.Errorf("%d", answer.Code)
	}
}

// TestSessionErrors: T-63. What cannot be meant is refused at load.
func TestSessionErrors(t *testing.T) {
	w := newEnv(t)
	for block, want := range map[string]string{
		"session\naccess DIR/access.yaml":                                          "no login makes one",
		"session\nlogin url /x\naccess DIR/access.yaml":                            "no login makes one",
		formSite + "session":                                                       "session is set twice",
		"login form {\n users DIR/none.yaml\n }":                                   "no such file",
		"login form {\n users DIR/users.yaml\n }\n session {\n store file DIR\n }": "not a regular file",
		"login form {\n users DIR/users.yaml\n }\n session {\n store redis {env.POLICY_AUTH_TEST_UNSET}\n }": "POLICY_AUTH_TEST_UNSET",
		"login form {\n users DIR/users.yaml\n }\n session {\n store redis http://127.0.0.1\n }":             "redis URL",
	} {
		if _, err := w.provision(block); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", block, err)
		}
	}
	if _, err := w.provision("login form {\n users DIR/users.yaml\n }"); err != nil {
		t.Errorf("a login alone: %v", err)
	}
}

// askAdmin asks the admin API.
func askAdmin(t *testing.T, method, uri string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, uri, nil)
	recorder := httptest.NewRecorder()
	path, _, _ := strings.Cut(uri, "?")
	for _, route := range new(admin.Admin).Routes() {
		below := strings.HasSuffix(route.Pattern, "/") && strings.HasPrefix(path, route.Pattern)
		if path != route.Pattern && !below {
			continue
		}
		var failure caddy.APIError
		if err := route.Handler.ServeHTTP(recorder, r); errors.As(err, &failure) {
			return failure.HTTPStatus, failure.Err.Error()
		} else if err != nil {
			t.Fatal(err)
		}
		return recorder.Code, recorder.Body.String()
	}
	t.Fatalf("%s is not of the admin API", uri)
	return 0, ""
}

// TestSessionAdmin: R-SES-5. Operators see who is signed in and end sessions, with the
// next request.
func TestSessionAdmin(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(formSite)
	var people []*browser
	for _, name := range []string{"alice", "alice", "bob", "bob"} {
		p := visitor(t, h)
		p.SignIn("/mail", name, canary)
		people = append(people, p)
	}
	list := func(query string) (found []admin.Session) {
		t.Helper()
		status, body := askAdmin(t, "GET", "/policy_auth/sessions"+query)
		if err := json.Unmarshal([]byte(body), &found); err != nil || status != 200 || strings.Contains(body, canary) || strings.Contains(body, people[0].Cookies["__Host-policy_auth"]) {
			t.Fatalf("%d %s", status, body)
		}
		return found
	}
	if all, of, none := list(""), list("?user=alice"), list("?user=carol"); len(all) != 4 || len(of) != 2 || len(none) != 0 || of[0].User != "alice" || of[0].Site != "example.com" {
		t.Errorf("%v\n%v\n%v", all, of, none)
	}
	signedIn := func() string {
		var answers []string
		for _, p := range people {
			session := p.Cookies["__Host-policy_auth"]
			answers = append(answers, strconv.Itoa(p.Ask(secure(get("/mail")), new(reached)).Code))
			p.Cookies["__Host-policy_auth"] = session
		}
		return strings.Join(answers, " ")
	}
	steps := []struct {
		method, uri string
		status      int
		body        string
		left        string
	}{
		{"DELETE", "", 400, "not both", "200 200 200 200"},
		{"DELETE", "?user=", 400, "not both", "200 200 200 200"},
		{"DELETE", "?user=alice&all=true", 400, "not both", "200 200 200 200"},
		{"POST", "?user=alice", 405, "GET and DELETE only", "200 200 200 200"},
		{"GET", "/x", 405, "DELETE only", "200 200 200 200"},
		{"DELETE", "/x", 200, `{"ended":0}`, "200 200 200 200"},
		{"DELETE", "?user=carol", 200, `{"ended":0}`, "200 200 200 200"},
		{"DELETE", "?user=alice", 200, `{"ended":2}`, "401 401 200 200"},
		{"DELETE", "/" + list("?user=bob")[0].ID, 200, `{"ended":1}`, "401 401 401 200"},
		{"DELETE", "?all=true", 200, `{"ended":1}`, "401 401 401 401"},
	}
	for _, step := range steps {
		status, body := askAdmin(t, step.method, "/policy_auth/sessions"+step.uri)
		if status != step.status || !strings.Contains(body, step.body) {
			t.Errorf("%s %s: %d %s", step.method, step.uri, status, body)
		}
		if got := signedIn(); got != step.left {
			t.Errorf("%s %s: %s", step.method, step.uri, got)
		}
	}
}

// TestSessionStepUp: R-SU-5. A policy that wants a fresher sign-in sends a session's
// navigation to sign in, with what it asks for, and everything else gets 401.
func TestSessionStepUp(t *testing.T) {
	w := newEnv(t)
	w.Write("p/authz.rego", `package caddy.authz

default allow := false

allow if {
	input.identity.authenticated
	input.request.path != "/safe"
}

allow := {"allow": false, "challenge": {"max_age": 60, "acr_values": ["high", "higher"]}} if {
	input.identity.authenticated
	input.request.path == "/safe"
}
`)
	h, _ := w.site("login form {\n users DIR/users.yaml\n }\n session {\n store file DIR/store.db\n }\n policies DIR/p\n")
	p := visitor(t, h)
	p.SignIn("/mail", "alice", canary)
	if answer := p.Ask(secure(get("/mail")), new(reached)); answer.Code != 200 {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	const want = "/.policy_auth/login?acr_values=high+higher&max_age=60&return_to=%2Fsafe"
	if answer := p.Ask(navigate(get("/safe")), new(reached)); answer.Code != 303 || answer.Header().Get("Location") != want {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
	if answer := p.Ask(secure(get("/safe", "Accept", "application/json")), new(reached)); answer.Code != 401 || !strings.Contains(answer.Body.String(), `"max_age":60`) {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}

// TestSessionWithOtherCredentials: R-CK-9. A session's cookie stays with us also beside another
// credential, and on requests that are not judged; forward_credentials passes it on.
func TestSessionWithOtherCredentials(t *testing.T) {
	w := newEnv(t)
	for block, want := range map[string]string{
		formSite + "basic {\n users DIR/users.yaml\n }":                                                                      "theme=dark",
		formSite + "forward_credentials\nbasic {\n users DIR/users.yaml\n }":                                                 "theme=dark; __Host-policy_auth=x; __Host-policy_auth_login=y",
		strings.ReplaceAll(formSite, "access DIR/access.yaml", "access DIR/access.yaml\nbasic {\n users DIR/users.yaml\n }"): "theme=dark",
	} {
		h, _ := w.site(block)
		next := new(reached)
		r := secure(asUser(get("/mail", "Cookie", "theme=dark; __Host-policy_auth=x; __Host-policy_auth_login=y"), "bob"))
		if _, err := ask(h, r, next); err != nil || next.Request == nil {
			t.Fatal(err)
		}
		if got := next.Request.Header.Get("Cookie"); got != want {
			t.Errorf("the upstream got %q, want %q", got, want)
		}
	}
}

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
	const cleared = "__Host-policy_auth=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
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
			w.Match = ""
			if strings.HasSuffix(test.name, "nothing judges") {
				w.Match = `[{"path": ["/private/*"]}]`
			}
			h, logs := w.site(test.block)
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
			w.Match = ""
			if strings.HasSuffix(test.name, "nothing judges") {
				w.Match = `[{"path": ["/private/*"]}]`
			}
			h, logs := w.site(test.block)
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
