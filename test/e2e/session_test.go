//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// secureSite writes a Caddyfile of one https site and returns its addresses.
func (w *env) secureSite(name, host, site string) (config, admin, address string) {
	admin, listen := "127.0.0.1:"+port(w.T), port(w.T)
	w.Write(name, fmt.Sprintf("{\n admin %s\n skip_install_trust\n auto_https disable_redirects\n}\nhttps://%s:%s {\n tls internal\n%s\n}\n",
		admin, host, listen, strings.ReplaceAll(site, "DIR", w.Dir)))
	return name, admin, "https://" + host + ":" + listen
}

// TestE2EBrowserSignIn: a person in a real browser signs in through the form, comes
// back to the page that was asked for, is refused after idling, signs out, and cannot
// come back with the old cookie. R-SES-1, R-LO-1, R-CK-1, R-PAGE-6, R-CSRF-1, T-38.
func TestE2EBrowserSignIn(t *testing.T) {
	w := newEnv(t)
	config, admin, site := w.secureSite("Caddyfile", "app.test", "policy_auth {\n"+formSite+"}\nheader Content-Type text/html\nrespond \"<title>app</title>protected {http.auth.user.id} at {uri}\"")
	start(t, w.Dir, config, admin)
	b := openWindow(t)
	b.visit(site + "/mail?folder=in box")
	if !strings.HasPrefix(b.url(), site+"/.policy_auth/login?") {
		t.Fatal(b.url())
	}
	b.wantText("Sign in to continue.")
	if dir := os.Getenv("POLICY_AUTH_PICTURES"); dir != "" {
		pictures(t, b, dir)
	}
	for _, wrong := range [][2]string{{"alice", "wrong"}, {"nobody", canary}, {"carol", canary}} {
		b.write("[name=username]", wrong[0])
		b.write("[name=password]", wrong[1])
		b.click("button")
		b.wantText("Incorrect username or password.")
		if name := b.run("return document.querySelector('[name=username]').value"); name != wrong[0] {
			t.Errorf("the form holds the name %v", name)
		}
	}
	b.write("[name=username]", "alice")
	b.write("[name=password]", canary+"\n") // the Enter key
	eventually(t, "alice is back", func() bool { return b.url() == site+"/mail?folder=in%20box" })
	b.wantText("protected alice at /mail?folder=in%20box")
	cookie := b.cookies()["__Host-policy_auth"]
	if cookie["httpOnly"] != true || cookie["secure"] != true || cookie["sameSite"] != "Lax" || b.run("return document.cookie") != "" {
		t.Errorf("cookie %v", cookie)
	}
	if got := b.run("return fetch('/api', {method: 'POST'}).then(a => a.status)"); got != 200.0 {
		t.Errorf("a script of the page: %v", got)
	}
	b.visit(site + "/.policy_auth/login")
	b.wantText("You are signed in as alice.")
	inHand(t, b, "signed_in")
	b.click(".on")
	b.wantText("protected alice at /")
	b.visit(site + "/.policy_auth/logout")
	b.wantText("You are signed in as alice.")
	b.click("button")
	b.wantText("You are not signed in to this site.")
	b.visit(site + "/mail")
	b.wantText("Sign in to continue.")
	b.visit(site + "/public/x") // whose scripts may ask for more than those of the form
	b.call("POST", "/cookie", map[string]any{"cookie": map[string]any{
		"name": cookie["name"], "value": cookie["value"], "path": "/", "secure": true, "httpOnly": true,
	}}, nil)
	if got := b.run("return fetch('/mail').then(a => a.status)"); got != 401.0 {
		t.Errorf("the old cookie: %v", got)
	}
	b.visit(site + "/mail")
	b.wantText("Sign in to continue.")
}

// inHand holds that a page fits a phone, in the dark, and that a thumb finds what
// there is to press. The picture has a name.
func inHand(t *testing.T, b *window, name string) {
	t.Helper()
	devtools := func(command string, params map[string]any) {
		b.call("POST", "/goog/cdp/execute", map[string]any{"cmd": command, "params": params}, nil)
	}
	devtools("Emulation.setDeviceMetricsOverride", map[string]any{"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": true})
	devtools("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": "dark"}}})
	const script = `const dark = c => c.match(/\d+/g).slice(0, 3).every(n => n < 64), pressed = [...document.querySelectorAll("a,button")].map(e => e.getBoundingClientRect());
return [document.documentElement.scrollWidth <= 360, dark(getComputedStyle(document.body).backgroundColor), pressed.length > 0 && pressed.every(r => r.height >= 40 && r.left >= 0 && r.right <= 360)].join(" ")`
	if got := b.run(script); got != "true true true" {
		t.Errorf("it fits, it is dark, it can be pressed: %v", got)
	}
	if dir := os.Getenv("POLICY_AUTH_PICTURES"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name+".png"), b.picture(), 0o600); err != nil {
			t.Error(err)
		}
	}
	devtools("Emulation.clearDeviceMetricsOverride", map[string]any{})
	devtools("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{}})
}

// pictures writes what the form looks like, on a desk and in a hand.
func pictures(t *testing.T, b *window, dir string) {
	for name, size := range map[string][2]int{"desk": {1200, 800}, "hand": {500, 800}} {
		b.resize(size[0], size[1])
		if err := os.WriteFile(filepath.Join(dir, name+".png"), b.picture(), 0o600); err != nil {
			t.Error(err)
		}
	}
}

// TestE2EBrowserIdle: R-SES-1, R-SES-6. In a real browser, whoever idles is sent to
// sign in again, and a script is told that the session is over.
func TestE2EBrowserIdle(t *testing.T) {
	w := newEnv(t)
	config, admin, site := w.secureSite("Caddyfile", "app.test", "policy_auth {\n"+strings.ReplaceAll(formSite, "session {", "session {\n idle 2s")+"}\nheader Content-Type text/html\nrespond \"<title>app</title>protected\"")
	start(t, w.Dir, config, admin)
	b := openWindow(t)
	b.visit(site + "/mail")
	b.write("[name=username]", "alice")
	b.write("[name=password]", canary)
	b.click("button")
	b.visit(site + "/public/x")
	time.Sleep(2100 * time.Millisecond)
	const script = `return fetch('/api/me', {headers: {Accept: 'application/json'}}).then(async a => [a.status, (await a.json()).class].join(' '))`
	if got := b.run(script); got != "401 expired" {
		t.Errorf("a script: %v", got)
	}
	b.visit(site + "/mail")
	b.wantText("Sign in to continue.")
}

// browser is a browser without a window.
type browser struct {
	t      *testing.T
	client *http.Client
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, client: &http.Client{Jar: jar, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// ask sends a request and returns status, header and body.
func (s *browser) ask(method, address string, form url.Values) (int, http.Header, string) {
	s.t.Helper()
	r, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(body)
}

// signIn signs in on a site of this machine, over plain HTTP.
func (s *browser) signIn(site, name string) { s.t.Helper(); s.signInAs(site, name, canary) }

func (s *browser) signInAs(site, name, password string) {
	s.t.Helper()
	_, _, page := s.ask("GET", site+"/.policy_auth/login", nil)
	token := formToken.FindStringSubmatch(page)
	if token == nil {
		s.t.Fatal(page)
	}
	status, header, _ := s.ask("POST", site+"/.policy_auth/login", url.Values{"username": {name}, "password": {password}, "token": {token[1]}})
	if status != 303 {
		s.t.Fatalf("%s is not signed in: %d %v", name, status, header)
	}
}

// status returns the answer to a page without a redirect.
func (s *browser) status(address string) int {
	s.t.Helper()
	status, _, _ := s.ask("GET", address, nil)
	return status
}

// TestE2ESessionKilled: R-SES-7, T-58. Nobody is signed out by a reload, a restart or a
// kill of the server.
func TestE2ESessionKilled(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir()) // the key of the store outlives the kill
	w := newEnv(t)
	adminAddress, listen := "127.0.0.1:"+port(t), port(t)
	site := "http://127.0.0.1:" + listen
	write := func(more string) {
		w.Write("Caddyfile", fmt.Sprintf("{\n admin %s\n auto_https off\n}\n%s {\npolicy_auth {\n%s}\nrespond \"protected%s\"\n}\n", adminAddress, site, strings.ReplaceAll(formSite, "DIR", w.Dir), more))
	}
	write("")
	server := start(t, w.Dir, "Caddyfile", adminAddress)
	s := newBrowser(t)
	s.signIn(site, "alice")
	if got := s.status(site + "/mail"); got != 200 {
		t.Fatal(got)
	}
	write(" again")
	reload := exec.Command(binary(t), "reload", "--config", "Caddyfile", "--address", adminAddress)
	reload.Dir = w.Dir
	if output, err := reload.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	if got := s.status(site + "/mail"); got != 200 {
		t.Errorf("after a reload: %d", got)
	}
	_ = server.cmd.Process.Kill()
	server.stop()
	server = start(t, w.Dir, "Caddyfile", adminAddress)
	if got := s.status(site + "/mail"); got != 200 {
		t.Errorf("after a kill: %d", got)
	}
	end := exec.Command(binary(t), "policy-auth", "session", "end", "--user", "alice", "--address", adminAddress)
	if output, err := end.CombinedOutput(); err != nil || string(output) != "1 ended\n" {
		t.Errorf("%v: %s", err, output)
	}
	_ = server.cmd.Process.Kill()
	server.stop()
	start(t, w.Dir, "Caddyfile", adminAddress)
	if got := s.status(site + "/mail"); got != 303 {
		t.Errorf("an ended session is back after a kill: %d", got)
	}
}

// TestE2ESessionRedis: R-SES-5, R-401-6. Two servers on one Redis: signed in on one,
// known on the other, ended on one, refused on both; 503 without Redis, and back with it.
func TestE2ESessionRedis(t *testing.T) {
	w := newEnv(t)
	redisPort := port(t)
	redis := startRedis(t, redisPort)
	t.Setenv("XDG_DATA_HOME", t.TempDir()) // they share Caddy's storage
	shared := strings.ReplaceAll(formSite, "store file DIR/store.db", "store redis redis://127.0.0.1:"+redisPort)
	var sites, admins []string
	for _, name := range []string{"one", "two"} {
		adminAddress, listen := "127.0.0.1:"+port(t), port(t)
		w.Write(name, fmt.Sprintf("{\n admin %s\n auto_https off\n}\nhttp://127.0.0.1:%s {\npolicy_auth {\n%s}\nrespond protected\n}\n", adminAddress, listen, strings.ReplaceAll(shared, "DIR", w.Dir)))
		config := exec.Command(binary(t), "adapt", "--config", name, "--adapter", "caddyfile")
		config.Dir = w.Dir
		output, err := config.Output()
		if err != nil {
			t.Fatal(err)
		}
		w.Write(name+".json", string(output))
		start(t, w.Dir, name+".json", adminAddress)
		sites, admins = append(sites, "http://127.0.0.1:"+listen), append(admins, adminAddress)
	}
	s := newBrowser(t)
	s.signIn(sites[0], "alice")
	for _, site := range sites {
		if got := s.status(site + "/mail"); got != 200 {
			t.Errorf("%s: %d", site, got)
		}
	}
	redis()
	eventually(t, "both are out without Redis", func() bool { return s.status(sites[0]+"/mail") == 503 && s.status(sites[1]+"/mail") == 503 })
	if status, header, _ := s.ask("GET", sites[0]+"/mail", nil); status != 503 || header.Get("Retry-After") == "" || header.Get("Set-Cookie") != "" {
		t.Errorf("%d %v", status, header)
	}
	startRedis(t, redisPort)
	other := newBrowser(t)
	eventually(t, "Redis is back", func() bool {
		return other.status(sites[0]+"/.policy_auth/login") == 200 && s.status(sites[0]+"/mail") != 503
	})
	other.signIn(sites[0], "bob")
	for _, site := range sites {
		eventually(t, "bob is known on "+site, func() bool { return other.status(site+"/mail") == 200 })
	}
	end := exec.Command(binary(t), "policy-auth", "session", "end", "--user", "bob", "--address", admins[1])
	if output, err := end.CombinedOutput(); err != nil || string(output) != "1 ended\n" {
		t.Errorf("%v: %s", err, output)
	}
	kept := other.client.Jar
	for _, site := range sites {
		other.client.Jar = kept
		eventually(t, "bob is out on "+site, func() bool { return other.status(site+"/mail") == 303 })
	}
}

// startRedis runs a Redis that keeps nothing, and returns what ends it.
func startRedis(t *testing.T, listen string) (stop func()) {
	t.Helper()
	cmd := exec.Command("redis-server", "--port", listen, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(stop)
	eventually(t, "Redis listens", func() bool {
		connection, err := net.Dial("tcp", "127.0.0.1:"+listen)
		if err == nil {
			_ = connection.Close()
		}
		return err == nil
	})
	return stop
}

// TestE2EExampleLocalUsers runs examples/local-users as it says.
func TestE2EExampleLocalUsers(t *testing.T) {
	content, err := os.ReadFile("examples/local-users/Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	admin, listen := "127.0.0.1:"+port(t), port(t)
	text := strings.Replace(string(content), "\n{\n", "\n{\n\tadmin "+admin+"\n", 1)
	config := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(text, "http://localhost:8083 {", "http://127.0.0.1:"+listen+" {")), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, ".", config, admin)
	site := "http://127.0.0.1:" + listen
	for name, password := range map[string]string{"alice": "wonderland", "bob": "builder"} {
		s := newBrowser(t)
		if got := s.status(site + "/healthz"); got != 200 {
			t.Errorf("healthz: %d", got)
		}
		if got := s.status(site + "/"); got != 303 {
			t.Errorf("not sent to sign in: %d", got)
		}
		s.signInAs(site, name, password)
		if status, _, body := s.ask("GET", site+"/", nil); status != 200 || !strings.Contains(body, "You are "+name+".") {
			t.Errorf("%d %s", status, body)
		}
		if got := s.status(site + "/admin/"); (got == 200) != (name == "alice") {
			t.Errorf("%s on the admin page: %d", name, got)
		}
	}
}

// TestE2E_N18Sessions: a person has at most 100 sessions, of which a further one ends
// the oldest; they are listed at once, end at once, and leave nothing.
func TestE2E_N18Sessions(t *testing.T) {
	_, site, _, admin := storeServer(t)
	listed := func() []any {
		t.Helper()
		var answer []any
		status, _, body := do(t, "GET", "http://"+admin+"/policy_auth/sessions?user=alice", "")
		if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 {
			t.Fatal(status, body, err)
		}
		return answer
	}
	var browsers []*browser
	for range 102 {
		s := newBrowser(t)
		s.signIn(site, "alice")
		browsers = append(browsers, s)
	}
	if n := len(listed()); n != 100 {
		t.Errorf("%d sessions", n)
	}
	for i, want := range map[int]bool{0: false, 1: false, 2: true, 101: true} {
		if got := browsers[i].status(site+"/mail") == 200; got != want {
			t.Errorf("session %d lives: %v", i, got)
		}
	}
	if status, _, body := do(t, "DELETE", "http://"+admin+"/policy_auth/sessions?user=alice", ""); status != 200 {
		t.Error(status, body)
	}
	if n := len(listed()); n != 0 || browsers[101].status(site+"/mail") == 200 {
		t.Errorf("%d sessions are left", n)
	}
}
