package policyauth

import (
	"errors"
	"net/http"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// stored is a next handler that lets caches keep its answer.
type stored struct{ control string }

func (s stored) ServeHTTP(w http.ResponseWriter, _ *http.Request) error {
	if s.control != "" {
		w.Header().Set("Cache-Control", s.control)
	}
	_, err := w.Write([]byte("one caller's"))
	return err
}

// TestPrivate: R-CACHE-3, R-CACHE-4, R-CACHE-5, T-42. Shared caches keep no answer that
// was made for one caller, unless Authorization protects it.
func TestPrivate(t *testing.T) {
	const key = canary + "-of-sufficient-length-0123456789"
	w := newEnv(t)
	w.Write("keys.yaml", "keys:\n  - {id: ci, hash: \"sha256:"+sha(key)+"\", owner: ci}\n")
	methods := "basic {\n users DIR/users.yaml\n }\n api_key {\n keys DIR/keys.yaml\n }\n access DIR/access.yaml\n" +
		"jwt https://id.example.com {\n secret " + jwtSecret + "\n audience api\n from cookie token\n }\n"
	query := "jwt https://id.example.com {\n secret " + jwtSecret + "\n audience api\n from query t\n }\n"
	byKey, byCookie := get("/", "X-API-Key", key), get("/", "Cookie", "token="+jwtOf(t, nil))
	tests := []struct {
		name, block    string
		r              *http.Request
		upstream, want string
		vary           string
	}{
		{"a key", methods, byKey, "", "private", "X-Api-Key"},
		{"a key, public", methods, byKey, "public, max-age=60", "private, max-age=60", "X-Api-Key"},
		{"a key, not stored", methods, byKey, "no-store", "no-store", "X-Api-Key"},
		{"a key, shared", methods + "shared_cache\n", byKey, "public", "public", "X-Api-Key"},
		{"a cookie", methods, byCookie, "max-age=60", "private, max-age=60", "Cookie"},
		{"a query", query, get("/?t=" + jwtOf(t, nil)), "public", "private", ""},
		{"a query, shared", query + "shared_cache\n", get("/?t=" + jwtOf(t, nil)), "public", "private", ""},
		{"a password", methods, asUser(get("/"), "bob"), "", "", ""},
		{"a password, public", methods, asUser(get("/"), "bob"), "public", "public", ""},
		{"nobody", methods, get("/public/"), "public", "public", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, logs := w.site(test.block)
			for range 2 {
				recorder, err := ask(h, test.r.Clone(t.Context()), stored{test.upstream})
				if err != nil || recorder.Code != 200 || recorder.Header().Get("Cache-Control") != test.want || recorder.Header().Get("Vary") != test.vary {
					t.Errorf("%d %v, %v", recorder.Code, err, recorder.Header())
				}
			}
			const warning = "the next handler lets shared caches keep answers to known callers; say shared_cache if that is meant"
			want := 0
			if test.name == "a password, public" {
				want = 1
			}
			if got := logs.FilterMessage(warning).Len(); got != want {
				t.Errorf("warned %d times, want %d", got, want)
			}
		})
	}
}

// TestPrivateError: R-CACHE-3, R-PAGE-13. What the site's error routes answer is
// one caller's too.
func TestPrivateError(t *testing.T) {
	const key = canary + "-of-sufficient-length-0123456789"
	w := newEnv(t)
	w.Write("keys.yaml", "keys:\n  - {id: ci, hash: \"sha256:"+sha(key)+"\", owner: ci}\n")
	h, _ := w.site("api_key {\n keys DIR/keys.yaml\n }\n access DIR/access.yaml\n cors {\n origins https://spa.example\n }\n")
	failing := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		return caddyhttp.Error(http.StatusNotFound, errors.New("not there"))
	})
	recorder, err := ask(h, get("/", "X-API-Key", key, "Origin", "https://spa.example"), failing)
	if err == nil || recorder.Header().Get("Cache-Control") != "private" || recorder.Header().Get("Access-Control-Allow-Origin") != "https://spa.example" {
		t.Errorf("%v %v", err, recorder.Header())
	}
}
