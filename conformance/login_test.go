package conformance

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const loginSite = "login url https://login.example.com/?rd={return_to}\n"

// loginTo is where loginSite redirects a caller that is to return to a path.
func loginTo(path string) string {
	return "https://login.example.com/?rd=https%3A%2F%2Fexample.com" + strings.ReplaceAll(path, "/", "%2F")
}

// TestLogin: R-PAGE-6, R-CORS-23, R-401-4, W4: navigations of anonymous callers
// are sent to sign in, and nothing else is.
func TestLogin(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(basicSite + loginSite + "cors {\n origins https://spa.example\n }\n")
	scripted := []string{"Sec-Fetch-Mode", "cors", "Accept", "*/*"}
	tests := []struct {
		name     string
		r        *http.Request
		status   int
		location string
	}{
		{"a page", navigate(get("/mail?x=1")), 303, loginTo("/mail") + "%3Fx%3D1"},
		{"a page, for an old browser", secure(get("/mail", "Accept", "text/html, */*")), 303, loginTo("/mail")},
		{"only its headers", navigate(head("/mail")), 303, loginTo("/mail")},
		{"a program", secure(get("/mail", "Accept", "*/*")), 401, ""},
		{"a program that says nothing", secure(get("/mail")), 401, ""},
		{"HTML is not wanted", secure(get("/mail", "Accept", "text/html;q=0, */*")), 401, ""},
		{"a script", secure(get("/mail", scripted...)), 401, ""},
		{"a script of another site", secure(get("/mail", append(scripted, "Origin", "https://spa.example", "Accept", "text/html")...)), 401, ""},
		{"a WebSocket", secure(get("/mail", "Sec-Fetch-Mode", "websocket", "Upgrade", "websocket", "Accept", "text/html")), 401, ""},
		{"two modes", secure(get("/mail", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Mode", "cors", "Accept", "text/html")), 401, ""},
		{"a form is not sent again", navigate(post("/mail", "Referer", "https://example.com/write")), 303, loginTo("/write")},
		{"N-43 a script of an old browser", secure(get("/mail", "X-Requested-With", "XMLHttpRequest", "Accept", "text/html, */*")), 401, ""},
		{"N-43 a page in Android's WebView", secure(get("/mail", "X-Requested-With", "com.example.app", "Accept", "text/html, */*")), 303, loginTo("/mail")},
		{"a form of an old browser", secure(post("/mail", "Accept", "text/html")), 401, ""},
		{"a path that leads elsewhere", navigate(get("/%2fevil.example")), 303, loginTo("/")},
		{"a wrong password", navigate(basic(get("/mail"), "alice", "wrong")), 401, ""},
		{"a public page", navigate(get("/public/x")), 200, ""},
		{"a known caller", navigate(asUser(get("/mail"), "bob")), 200, ""},
		{"a known caller who may not", navigate(asUser(get("/admin/"), "bob")), 403, ""},
		{"a path with dots", navigate(get("/a/%2e%2e/b")), 400, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			recorder, err := ask(h, test.r, new(reached))
			if err != nil || recorder.Code != test.status || recorder.Header().Get("Location") != test.location {
				t.Fatalf("%d %v, %s", recorder.Code, err, recorder.Header().Get("Location"))
			}
			if test.status != 303 && test.status != 401 {
				return
			}
			if got := recorder.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control: %s", got)
			}
			if !slices.Contains(recorder.Header()["Vary"], "Sec-Fetch-Mode") || recorder.Header().Get("X-Request-Id") == "" {
				t.Errorf("headers %v", recorder.Header())
			}
			if test.status == 401 && len(recorder.Header()["Www-Authenticate"]) == 0 {
				t.Error("a 401 without a challenge")
			}
		})
	}
}

// TestLoginDocument: R-PAGE-9. Programs and people are told where to sign in, to
// come back to the page that asked.
func TestLoginDocument(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(basicSite + loginSite)
	recorder, _ := ask(h, secure(get("/api/me", "Sec-Fetch-Mode", "cors", "Referer", "https://example.com/app")), new(reached))
	var problem map[string]any
	if err := json.Unmarshal(recorder.Body.Bytes(), &problem); err != nil || problem["login_url"] != loginTo("/app") {
		t.Errorf("%v %s", err, recorder.Body)
	}
	recorder, _ = ask(h, navigate(basic(get("/mail"), "alice", "wrong")), new(reached))
	if want := `href="` + loginTo("/mail") + `"`; !strings.Contains(recorder.Body.String(), want) {
		t.Errorf("no link %s in %s", want, recorder.Body)
	}
	recorder, _ = ask(h, navigate(asUser(get("/admin/"), "bob")), new(reached))
	if strings.Contains(recorder.Body.String(), "login.example.com") {
		t.Error("a known caller is told to sign in")
	}
}

// TestLoginCookie: R-CK-5, R-401-8: who has a dead cookie signs in again, unless
// that would bring the same one.
func TestLoginCookie(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site("jwt https://id.example.com {\n secret " + jwtSecret + "\n audience api\n from cookie token\n }\n" + loginSite)
	tests := []struct {
		name   string
		claims jwt.MapClaims
		status int
	}{
		{"good", nil, 200},
		{"expired", jwt.MapClaims{"exp": time.Now().Add(-time.Hour).Unix()}, 303},
		{"of another audience", jwt.MapClaims{"aud": "other"}, 401},
	}
	for _, test := range tests {
		recorder, err := ask(h, navigate(get("/mail", "Cookie", "token="+jwtOf(t, test.claims))), new(reached))
		if err != nil || recorder.Code != test.status {
			t.Errorf("%s: %d %v", test.name, recorder.Code, err)
		}
		cleared := strings.HasPrefix(recorder.Header().Get("Set-Cookie"), "token=; Path=/; Max-Age=0; HttpOnly; Secure")
		if cleared != (test.status != 200) {
			t.Errorf("%s: %q", test.name, recorder.Header()["Set-Cookie"])
		}
		if test.status == 401 && !strings.Contains(recorder.Body.String(), "login.example.com") {
			t.Errorf("%s: no link on the page", test.name)
		}
	}
}

// TestLoginPolicy: what a policy says of signing in, product.md section 3.
func TestLoginPolicy(t *testing.T) {
	w := newEnv(t)
	w.Write("p/authz.rego", "package caddy.authz\n\nallow := {\"allow\": false, \"login\": input.request.segments[0] == \"in\"} if input.request.segments[1]\n\nelse := false\n")
	h, _ := w.site("basic {\n users DIR/users.yaml\n }\n policies DIR/p\n" + loginSite)
	tests := []struct {
		name   string
		r      *http.Request
		status int
	}{
		{"nothing said", navigate(get("/x")), 303},
		{"nothing said, known", navigate(asUser(get("/x"), "bob")), 403},
		{"offered", navigate(get("/in/x")), 303},
		{"offered, a script", secure(get("/in/x")), 401},
		{"offered, known", navigate(asUser(get("/in/x"), "bob")), 303},
		{"offered, known, a script", secure(asUser(get("/in/x"), "bob")), 401},
		{"withheld", navigate(get("/out/x")), 401},
	}
	for _, test := range tests {
		recorder, err := ask(h, test.r, new(reached))
		if err != nil || recorder.Code != test.status {
			t.Errorf("%s: %d %v", test.name, recorder.Code, err)
		}
		if linked := strings.Contains(recorder.Body.String(), "login.example.com"); recorder.Code == 401 && linked != (test.name != "withheld") {
			t.Errorf("%s: told where to sign in: %v", test.name, linked)
		}
	}
}

// TestOnlyExternalLogin: where a sign-in page is the only way in, a 401 has a challenge
// nevertheless (R-CH-8), and the page itself does not redirect to itself.
func TestOnlyExternalLogin(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site("login url /login?to={return_to}\n access DIR/access.yaml\n")
	recorder, _ := ask(h, secure(get("/x")), new(reached))
	if got := recorder.Header().Get("WWW-Authenticate"); recorder.Code != 401 || got != `Session realm="restricted"` {
		t.Errorf("%d %q", recorder.Code, got)
	}
	if recorder, _ := ask(h, navigate(get("/login?to=x")), new(reached)); recorder.Code != 401 {
		t.Errorf("the page itself: %d", recorder.Code)
	}
	if recorder, _ := ask(h, navigate(get("/x")), new(reached)); recorder.Code != 303 || recorder.Header().Get("Location") != "/login?to=https%3A%2F%2Fexample.com%2Fx" {
		t.Errorf("%d %v", recorder.Code, recorder.Header())
	}
}

// TestN42ChallengeOffBesideALogin: with a login, every method may say challenge off,
// since anonymous callers are sent to sign in.
//
// R-401-1
func TestN42ChallengeOffBesideALogin(t *testing.T) {
	w := newEnv(t)
	quietBasic := strings.Replace(basicSite, "\n }\n", "\n challenge off\n }\n", 1)
	quietJWT := strings.Replace(jwtSite, "audience api\n", "audience api\n challenge off\n", 1)
	if _, err := w.provision(quietBasic + quietJWT); err == nil || !strings.Contains(err.Error(), "every method says challenge off") {
		t.Errorf("without a login: %v", err)
	}
	form, provider := "login form {\n users DIR/users.yaml\n }\n", "login oidc https://id.example.com {\n client_id app\n }\n"
	store := "session {\n store file DIR/store.db\n"
	for name, site := range map[string]string{
		"a form":                       form + store + "}\n" + quietJWT,
		"a form and a quiet session":   form + store + "challenge off\n}\n",
		"a provider":                   provider + store + "}\n" + quietJWT,
		"an external page":             loginSite + quietJWT,
		"an external page and a table": loginSite + quietJWT + "access DIR/access.yaml\n",
	} {
		t.Run(name, func(t *testing.T) {
			h, err := w.provision(site)
			if err != nil {
				t.Fatal(err)
			}
			if recorder, err := ask(h, navigate(get("/mail")), new(reached)); err != nil || recorder.Code != 303 {
				t.Errorf("a page: %d %v", recorder.Code, err)
			}
			recorder, err := ask(h, secure(get("/mail")), new(reached))
			if challenge := recorder.Header().Get("WWW-Authenticate"); err != nil || recorder.Code != 401 || strings.Contains(challenge, "Bearer") {
				t.Errorf("a program: %d %q %v", recorder.Code, challenge, err)
			}
		})
	}
}
