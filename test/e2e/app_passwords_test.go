//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/login"
)

// secretForm finds a new app password on the page that shows it.
var secretForm = regexp.MustCompile(`id="secret">([^<]+)<`)

// passwordForm returns the page of app passwords of a signed-in client, and its token.
func passwordForm(t testing.TB, client *http.Client, site string) (page, token string) {
	t.Helper()
	answer, err := client.Get(site + login.AppPasswordsPath)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := formToken.FindStringSubmatch(string(body))
	if answer.StatusCode != 200 || found == nil {
		t.Fatalf("%d %s", answer.StatusCode, body)
	}
	return string(body), found[1]
}

// submitPassword posts a form of the page of app passwords as a browser does.
func submitPassword(t testing.TB, client *http.Client, site string, form url.Values) (status int, page string) {
	t.Helper()
	r, err := http.NewRequest("POST", site+login.AppPasswordsPath, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Origin": site, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Accept": "text/html"} {
		r.Header.Set(name, value)
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return answer.StatusCode, string(body)
}

// makePassword makes an app password for the user of a client.
func makePassword(t testing.TB, client *http.Client, site string, scopes ...string) string {
	t.Helper()
	_, token := passwordForm(t, client, site)
	status, page := submitPassword(t, client, site, url.Values{"action": {"create"}, "name": {"program"}, "scope": scopes, "token": {token}})
	secret := secretForm.FindStringSubmatch(page)
	if secret == nil {
		t.Fatalf("%d %s", status, page)
	}
	return secret[1]
}

// passwordID returns the ID of an app password.
func passwordID(secret string) string { return strings.Split(secret, "_")[1] }

// wantCurl sends a request by curl to a port of this machine, whatever the host, and holds
// the status. It returns the answer with its head.
func wantCurl(t testing.TB, status int, listen, address string, args ...string) string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "curl", append(args, "-sSki", "--http1.1", "--connect-to", "::127.0.0.1:"+listen, address)...).CombinedOutput()
	if err != nil {
		t.Fatalf("curl: %v: %s", err, output)
	}
	if !strings.HasPrefix(string(output), fmt.Sprintf("HTTP/1.1 %d ", status)) {
		t.Errorf("curl %s: want %d, got\n%s", strings.Join(args, " "), status, output)
	}
	return string(output)
}

// waysToSend are the options of curl for an app password in each of its places.
func waysToSend(user, secret string) map[string][]string {
	return map[string][]string{
		"Basic": {"-u", user + ":" + secret}, "Bearer": {"-H", "Authorization: Bearer " + secret}, "a key": {"-H", "X-API-Key: " + secret},
	}
}

// TestE2E_S18Browser: S-18. A person signs in in a real browser, makes an app password, which
// is shown once, and revokes it. Between the two, programs use it in three ways, also after
// the person signed out and the server was killed. It is in no log, answer, page, Referer or
// store in the clear.
func TestE2E_S18Browser(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	w := newEnv(t)
	files := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<title>files</title>page %s for %s by %s as %s with %s.", r.URL.Path, r.Header.Get("X-User"), r.Header.Get("X-Method"), r.Header.Get("X-Kind"), r.Header.Get("X-Scopes"))
	})
	adminAddress, listen := "127.0.0.1:"+port(t), port(t)
	site := "https://files.test:" + listen
	w.Write("Caddyfile", fmt.Sprintf(`{
	admin %s
	local_certs
	skip_install_trust
	http_port %s
	log {
		level DEBUG
	}
}
%s {
	log {
		format filter {
			fields {
				request>headers>X-Api-Key delete
			}
		}
	}
	policy_auth {
		login form {
			users users.yaml
		}
		session {
			store file store.db
		}
		app_passwords {
			scopes read write
		}
		identity_headers {
			X-User id
			X-Method method
			X-Kind kind
			X-Scopes scopes
		}
		access access.yaml
	}
	reverse_proxy %s
}
`, adminAddress, port(t), site, files.address))
	s := start(t, w.Dir, "Caddyfile", adminAddress)
	b := openWindow(t)
	signIn := func() {
		b.write("[name=username]", "bob")
		b.write("[name=password]", canary)
		b.click("button")
	}
	b.visit(site + login.AppPasswordsPath)
	signIn()
	if got := b.url(); got != site+login.AppPasswordsPath {
		t.Fatalf("after the sign-in: %s", got)
	}
	const name = `Phone <b id="markup">&amp; {http.request.host}`
	b.write("[name=name]", name)
	b.run("document.querySelector('[value=read]').checked = true")
	b.click("button")
	b.wantText(name)
	secret, _ := b.run("return document.getElementById('secret').textContent").(string)
	if len(secret) != 52 || b.run("return document.getElementById('username').textContent") != "bob" || b.run("return document.getElementById('markup')") != nil {
		t.Fatal(b.text())
	}
	b.visit(site + login.AppPasswordsPath)
	b.wantText(name)
	if html := fmt.Sprint(b.run("return document.documentElement.outerHTML")); strings.Contains(html, secret[20:]) || b.run("return document.getElementById('markup')") != nil {
		t.Errorf("the page later: %s", html)
	}
	b.visit(site + "/mail")
	b.wantText("page /mail for bob by session as user with .")

	const want = "page /mail for bob by app_password as user with read."
	used := func(s int) {
		t.Helper()
		for way, options := range waysToSend("bob", secret) {
			if answer := wantCurl(t, s, listen, site+"/mail", options...); s == 200 && !strings.HasSuffix(answer, want) {
				t.Errorf("%s: %s", way, answer)
			}
		}
	}
	used(200)
	for _, user := range []string{"Bob", "BOB", "alice", "", "bob "} {
		if answer := wantCurl(t, 401, listen, site+"/mail", "-u", user+":"+secret); !strings.Contains(answer, `Www-Authenticate: Basic realm="restricted", charset="UTF-8"`) {
			t.Errorf("a program is not offered Basic: %s", answer)
		}
	}

	stranger := openWindow(t)
	stranger.visit(site + "/public/x")
	const ask = `return fetch('/mail', {headers: {%s}}).then(a => a.status + ' ' + a.headers.get('www-authenticate'))`
	for _, header := range []string{"", "Authorization: 'Basic Ym9iOnBhX3dyb25n'", "'X-API-Key': 'pa_wrong'"} {
		if got := fmt.Sprint(stranger.run(fmt.Sprintf(ask, header))); !strings.HasPrefix(got, "401 ") || strings.Contains(got, "Basic") {
			t.Errorf("a script with %s: %s", header, got)
		}
	}
	stranger.visit(site + "/mail")
	stranger.wantText("Sign in to continue.")

	b.visit(site + "/.policy_auth/logout")
	b.click("button")
	b.wantText("You are not signed in to this site.")
	used(200)
	_ = s.cmd.Process.Kill()
	written := s.written()
	s.stop()
	s = start(t, w.Dir, "Caddyfile", adminAddress)
	used(200)

	stored, err := os.ReadFile(filepath.Join(w.Dir, "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(stored), secret[20:]) || strings.Contains(string(stored), "Phone") {
		t.Error("the store has the app password or its name in the clear")
	}
	for path, has := range map[string]string{"app_passwords": passwordID(secret), "app_passwords?user=bob": passwordID(secret), "sessions": "[", "decisions": "["} {
		if _, _, body := do(t, "GET", s.admin+"/policy_auth/"+path, ""); strings.Contains(body, secret[20:]) || !strings.Contains(body, has) {
			t.Errorf("the answer of %s: %s", path, body)
		}
	}

	b.visit(site + login.AppPasswordsPath)
	signIn()
	b.wantText(name)
	b.click("li button")
	b.wantText("no app passwords")
	used(401)
	written += s.logged()
	if strings.Contains(written, secret[20:]) {
		t.Error("the log has the app password")
	}
	for _, want := range []string{"app password made", "app password revoked", `"key_id":"` + passwordID(secret), `"policy_auth_method":"app_password"`} {
		if !strings.Contains(written, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	files.mu.Lock()
	defer files.mu.Unlock()
	for _, r := range files.seen {
		if strings.Contains(fmt.Sprint(r.Header, r.URL), secret[20:]) {
			t.Errorf("the application gets %v", r.Header)
		}
	}
}

// TestE2E_S18Submits: S-18. Names that are too long are refused, and of forms that are sent
// at once no more count than the site allows; each that does is shown and listed.
func TestE2E_S18Submits(t *testing.T) {
	w := newEnv(t)
	s, site := w.serve("policy_auth {\n" + formSite + "app_passwords {\n max 3\n }\n}\nrespond protected")
	b := newBrowser(t)
	b.signIn(site, "bob")
	_, token := passwordForm(t, b.client, site)
	for name, form := range map[string]url.Values{
		"10 KB":       {"action": {"create"}, "token": {token}, "name": {strings.Repeat("a", 10<<10)}},
		"a megabyte":  {"action": {"create"}, "token": {token}, "name": {strings.Repeat("a", 1<<20)}},
		"no token":    {"action": {"create"}, "name": {"a"}},
		"a line feed": {"action": {"create"}, "token": {token}, "name": {"a\nb"}},
		"a scope":     {"action": {"create"}, "token": {token}, "name": {"a"}, "scope": {"admin"}},
	} {
		if status, page := submitPassword(t, b.client, site, form); status != 400 || secretForm.MatchString(page) {
			t.Errorf("%s: %d %s", name, status, page)
		}
	}
	var (
		group   sync.WaitGroup
		mu      sync.Mutex
		secrets = map[string]bool{}
		refused int
	)
	for range 12 {
		group.Go(func() {
			status, page := submitPassword(t, b.client, site, url.Values{"action": {"create"}, "token": {token}, "name": {"twice"}})
			mu.Lock()
			defer mu.Unlock()
			if secret := secretForm.FindStringSubmatch(page); status == 200 && secret != nil {
				secrets[secret[1]] = true
			} else if status == 409 && secret == nil {
				refused++
			} else {
				t.Errorf("%d %s", status, page)
			}
		})
	}
	group.Wait()
	if len(secrets) != 3 || refused != 9 {
		t.Errorf("%d were made, %d refused", len(secrets), refused)
	}
	_, _, listed := do(t, "GET", s.admin+"/policy_auth/app_passwords?user=bob", "")
	for secret := range secrets {
		wantCurl(t, 200, site[strings.LastIndex(site, ":")+1:], site+"/mail", "-u", "bob:"+secret)
		if !strings.Contains(listed, passwordID(secret)) {
			t.Errorf("%s is not listed: %s", passwordID(secret), listed)
		}
	}
	if got := strings.Count(listed, `"id"`); got != 3 {
		t.Errorf("%d are listed", got)
	}
}
