//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

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

// TestE2E_S23Rotation: S-23. While a certified provider rotates the refresh tokens of a
// session, which takes one that comes twice for stolen, two machines with one Redis always
// send an access token that the provider accepts, and use each refresh token once.
func TestE2E_S23Rotation(t *testing.T) {
	redisPort := port(t)
	startRedis(t, redisPort)
	listens := [2]string{port(t), port(t)}
	p := startCertified(t, "http://127.0.0.1:"+listens[0], "40") // refreshed after 30 seconds, the least
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		asked, _ := http.NewRequestWithContext(r.Context(), "GET", p.issuer+"/me", nil)
		asked.Header.Set("Authorization", r.Header.Get("Authorization"))
		answer, err := http.DefaultClient.Do(asked)
		if err != nil {
			t.Error(err)
			return
		}
		_ = answer.Body.Close()
		fmt.Fprint(w, answer.StatusCode, " ", r.Header.Get("Authorization"))
	})
	w := newEnv(t)
	w.Write("client.pem", string(p.key))
	t.Setenv("XDG_DATA_HOME", t.TempDir()) // the storage of both
	var logs []*server
	for i, listen := range listens {
		name, adminAddress := fmt.Sprintf("Caddyfile%d", i), "127.0.0.1:"+port(t)
		w.Write(name, fmt.Sprintf("{\n admin %s\n auto_https off\n}\nhttp://127.0.0.1:%s {\n policy_auth {\n login oidc %s {\n client_id app\n client_auth_method private_key_jwt\n client_key client.pem\n }\n session {\n store redis redis://127.0.0.1:%s\n }\n upstream_token access\n }\n reverse_proxy %s\n}\n",
			adminAddress, listen, p.issuer, redisPort, app.address))
		logs = append(logs, start(t, w.Dir, name, adminAddress))
	}
	f := newFollower(t) // a cookie is for all ports of a host
	if status, end, page := f.open("http://127.0.0.1:"+listens[0]+"/", nil); status != 200 || !strings.HasPrefix(page, "200 Bearer ") {
		t.Fatal(status, end, page)
	}
	tokens := map[string]map[string]bool{}
	var mu sync.Mutex
	ask := func(listen string) {
		status, _, page := f.open("http://127.0.0.1:"+listen+"/", nil)
		mu.Lock()
		defer mu.Unlock()
		if status != 200 || !strings.HasPrefix(page, "200 Bearer ") {
			t.Errorf("the upstream of %s gets no token that is valid: %d %.100s", listen, status, page)
		}
		if tokens[page] == nil {
			tokens[page] = map[string]bool{}
		}
		tokens[page][listen] = true
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(2 * time.Minute); p.ask("GET", "/refreshes") != "2 0" || !sentByBoth(tokens, 3); <-tick.C {
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() { ask(listens[i%2]) })
		}
		all.Wait()
		if t.Failed() || time.Now().After(end) {
			t.Fatalf("%d tokens; the provider took and refused %s refresh tokens", len(tokens), p.ask("GET", "/refreshes"))
		}
	}
	for token := range tokens {
		for _, s := range logs {
			if strings.Contains(s.logged(), strings.TrimPrefix(token, "200 Bearer ")) {
				t.Error("the log has a token")
			}
		}
	}
}

// sentByBoth reports whether there are so many tokens, each sent by two machines.
func sentByBoth(tokens map[string]map[string]bool, count int) bool {
	for _, sentBy := range tokens {
		if len(sentBy) < 2 {
			return false
		}
	}
	return len(tokens) >= count
}
