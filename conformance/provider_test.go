package conformance

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/crypto/bcrypt"
)

// TestS27HTTPBasic: S-27, R-CH-11. The JSON of docs/methods.md, with a password of the
// test, is a method like ours: the right password is a caller without roles, another one
// is 401 with the module's challenge, and nothing else of its answer is sent.
func TestS27HTTPBasic(t *testing.T) {
	page, err := os.ReadFile("../docs/methods.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## provider\n")
	_, block, _ := strings.Cut(section, "```json\n")
	block, _, found := strings.Cut(block, "```")
	if !found {
		t.Fatal("docs/methods.md has no JSON of a provider")
	}
	var method map[string]any
	if err := json.Unmarshal([]byte(block), &method); err != nil {
		t.Fatal(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("open sesame"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	method["provider"].(map[string]any)["accounts"].([]any)[0].(map[string]any)["password"] = string(hash)
	config, err := json.Marshal(map[string]any{"authenticators": []any{method}, "insecure_http": true})
	if err != nil {
		t.Fatal(err)
	}
	h := loadHandler(t, config)
	for _, test := range []struct {
		user, password string
		status         int
	}{{"alice", "open sesame", 200}, {"alice", "wrong", 401}, {"", "", 401}} {
		recorder := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "http://example.com/", nil)
		if test.user != "" {
			r.SetBasicAuth(test.user, test.password)
		}
		repl := caddy.NewReplacer()
		r = caddyhttp.PrepareRequest(r, repl, recorder, nil)
		next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			method, _ := repl.GetString("http.policy_auth.method")
			_, err := w.Write([]byte(method))
			return err
		})
		if err := h.ServeHTTP(recorder, r, next); err != nil {
			t.Fatal(err)
		}
		challenge := strings.Join(recorder.Header()["Www-Authenticate"], ", ")
		if recorder.Code != test.status || test.status == 401 && challenge != `Basic realm="restricted"` || test.status == 200 && (challenge != "" || recorder.Body.String() != "provider:http_basic") {
			t.Errorf("%+v: %d, challenge %q, %s", test, recorder.Code, challenge, recorder.Body)
		}
	}
}

// TestS18HTTPBasic: S-18, S-27. Beside http_basic, what begins with pa_ is an app password
// or nothing, and the module does not see it; every other password is the module's.
func TestS18HTTPBasic(t *testing.T) {
	w := newEnv(t)
	hash, err := bcrypt.GenerateFromPassword([]byte("open sesame"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	prefixed, err := bcrypt.GenerateFromPassword([]byte("pa_of the module"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(map[string]any{
		"authenticators": []any{
			map[string]any{"method": "provider", "provider": map[string]any{"module": "http_basic", "accounts": []any{
				map[string]any{"username": "erin", "password": string(hash)}, map[string]any{"username": "frank", "password": string(prefixed)},
			}}},
			map[string]any{"method": "app_passwords"},
			map[string]any{"method": "session", "store": map[string]any{"kind": "file", "path": w.Dir + "/store.db"}},
		},
		"login":            []any{map[string]any{"method": "form", "users": []string{w.Dir + "/users.yaml"}}},
		"access":           []string{w.Dir + "/access.yaml"},
		"identity_headers": map[string]string{"X-User": "id", "X-Method": "method"},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := w.Context(caddy.CustomLog{})
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := ctx.LoadModuleByID("http.handlers.policy_auth", config)
	if err != nil {
		t.Fatal(err)
	}
	h := loaded.(caddyhttp.MiddlewareHandler)
	b := visitor(t, h)
	b.SignIn("/", "alice", canary)
	secret := makePassword(b)
	frank := basicLineOf("frank", "pa_of the module") // in an encoding that ends with unused bits
	unused := frank[:len(frank)-3] + string(frank[len(frank)-3]+1) + "=="
	for name, test := range map[string]struct {
		line   string
		status int
		caller string
	}{
		"an app password":            {basicLineOf("alice", secret), 200, "alice by app_password"},
		"as bearer":                  {"Bearer " + secret, 200, "alice by app_password"},
		"a password of the module":   {basicLineOf("erin", "open sesame"), 200, "erin by provider:http_basic"},
		"of another user":            {basicLineOf("erin", secret), 401, ""},
		"a wrong app password":       {basicLineOf("alice", secret[:len(secret)-1]), 401, ""},
		"the prefix in the module":   {frank, 401, ""},
		"a wrong password":           {basicLineOf("erin", "wrong"), 401, ""},
		"the password of the form":   {basicLineOf("alice", canary), 401, ""},
		"unused bits":                {unused, 401, ""},
		"in lower case, two spaces":  {strings.Replace(basicLineOf("alice", secret), "Basic ", "basic  ", 1), 200, "alice by app_password"},
		"without the name of a user": {basicLineOf("", secret), 401, ""},
	} {
		next := new(reached)
		recorder, err := ask(h, secure(get("/", "Authorization", test.line)), next)
		if status := statusOf(recorder, err); status != test.status {
			t.Errorf("%s: %d", name, status)
		}
		if next.Request == nil {
			continue
		}
		sent := next.Request.Header
		if got := sent.Get("X-User") + " by " + sent.Get("X-Method"); got != test.caller || strings.Contains(sent.Get("Authorization"), "Bearer") || test.caller == "alice by app_password" && sent.Get("Authorization") != "" {
			t.Errorf("%s: %s, the next handler has %q", name, got, sent.Get("Authorization"))
		}
	}
}

// loadHandler returns the handler of a configuration.
func loadHandler(t *testing.T, config []byte) caddyhttp.MiddlewareHandler {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	loaded, err := ctx.LoadModuleByID("http.handlers.policy_auth", config)
	if err != nil {
		t.Fatal(err)
	}
	return loaded.(caddyhttp.MiddlewareHandler)
}
