//go:build e2e

package e2e

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
)

// TestE2E_S23UpstreamToken: S-23, S-41. The upstream gets the provider's token of a session,
// a newer one when it is due, and the same one after the server was killed; a client
// cannot send one of its own, and neither the store nor the log has one in the clear. A
// page learns who is signed in, and pages of other sites do not.
func TestE2E_S23UpstreamToken(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	w, fake := newEnv(t), oidctest.New(t)
	var mu sync.Mutex
	var given []string
	fake.Set(func(f *oidctest.Provider) {
		f.ExpiresIn = 4
		f.Tokens = func(_ string, answer map[string]any) {
			mu.Lock()
			defer mu.Unlock()
			given = append(given, answer["access_token"].(string))
		}
	})
	s, site := w.serve("policy_auth {\n" + oidcSite(fake, "") + "upstream_token access\nme\n}\nrespond `got {http.request.header.Authorization}`")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	open := func(path string, header ...string) (int, string) {
		t.Helper()
		r, err := http.NewRequest("GET", site+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		answer, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(body)
	}
	if status, body := open("/public/x", "Authorization", "Custom forged"); status != 200 || body != "got " {
		t.Errorf("an anonymous caller: %d %s", status, body)
	}
	if status, body := open("/mail"); status != 200 || body != "got Bearer "+given[0] {
		t.Fatalf("signed in: %d %s, want %s", status, body, given[0])
	}
	fake.Set(func(f *oidctest.Provider) { f.ExpiresIn = 300 })
	newest := ""
	eventually(t, "the token was refreshed", func() bool {
		status, body := open("/mail", "Authorization", "Custom forged")
		mu.Lock()
		defer mu.Unlock()
		newest = given[len(given)-1]
		if status != 200 || !strings.HasPrefix(body, "got Bearer ") {
			t.Fatalf("%d %s", status, body)
		}
		return len(given) == 2 && body == "got Bearer "+newest
	})
	if status, body := open("/.policy_auth/me", "Sec-Fetch-Site", "same-origin"); status != 200 || !strings.Contains(body, `"username":"alice"`) || strings.Contains(body, newest) {
		t.Errorf("%d %s", status, body)
	}
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		if status, body := open("/.policy_auth/me", header...); status != 403 || strings.Contains(body, "alice") {
			t.Errorf("%v: %d %s", header, status, body)
		}
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.stop()
	again := start(t, w.Dir, "Caddyfile", strings.TrimPrefix(s.admin, "http://"))
	if status, body := open("/mail"); status != 200 || body != "got Bearer "+newest {
		t.Errorf("after a restart: %d %s", status, body)
	}
	stored, err := os.ReadFile(filepath.Join(w.Dir, "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range given {
		if strings.Contains(string(stored), token) || strings.Contains(s.logged()+again.logged(), token) {
			t.Error("a token is in the clear in the store or the log")
		}
	}
}
