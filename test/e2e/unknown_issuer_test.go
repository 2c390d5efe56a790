//go:build e2e

package e2e

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TestE2E_N46UnknownIssuer: an application behind a site with jwt makes tokens of its own, as
// Home Assistant does; a signed-in browser uses them, and nobody else.
func TestE2E_N46UnknownIssuer(t *testing.T) {
	w := newEnv(t)
	own, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": "6f1e5c0a9a574c52", "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte(strings.Repeat("app", 20)))
	if err != nil {
		t.Fatal(err)
	}
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+own {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer app.Close()
	_, site := w.serve("policy_auth {\n" + strings.Replace(jwtSite, "audience api\n", "audience api\nunknown_issuer pass\n", 1) + formSite + "}\nreverse_proxy " + strings.TrimPrefix(app.URL, "http://"))
	s := newBrowser(t)
	s.signIn(site, "alice")
	status := func(client *http.Client, token string) int {
		r, err := http.NewRequest("GET", site+"/api/states", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	ours := jwtOf(t, map[string]any{"exp": 1})
	for _, test := range []struct {
		name   string
		client *http.Client
		token  string
		want   int
	}{
		{"N-46 signed in", s.client, own, 200}, {"S-25 a stranger", http.DefaultClient, own, 401}, {"S-25 signed in, with an expired token of ours", s.client, ours, 401},
	} {
		if got := status(test.client, test.token); got != test.want {
			t.Errorf("%s: %d", test.name, got)
		}
	}
}
