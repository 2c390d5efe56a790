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
