//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/admin"
	"github.com/policyauth/caddy-policy-auth/internal/sharelink"
)

const linkRules = "rules:\n  - paths: [/2026/*]\n    allow: [{links: true}, {authenticated: true}]\ndefault: [{authenticated: true}]\n"

// addLink makes a share link with the command and returns it.
func addLink(t *testing.T, dir, adminAddress string, args ...string) (link admin.Link, token string) {
	t.Helper()
	output := policyAuth(t, dir, "", append([]string{"link", "add", "--json", "--address", adminAddress}, args...)...)
	if err := json.Unmarshal([]byte(output), &link); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	_, token, found := strings.Cut(link.URL, sharelink.PathPrefix)
	if !found {
		t.Fatal(output)
	}
	return link, token
}

// TestE2E_S19Browser: in a browser of its own, a guest opens a link, sees the album and not
// the rest, also after the server was killed, until the link is revoked. The token is not in
// the address bar, in a Referer or in a log.
func TestE2E_S19Browser(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	w := newEnv(t)
	album := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<title>album</title>page %s <a id=more href='/2026/more'>more</a>", r.URL.Path)
	})
	listen, adminAddress := port(t), "127.0.0.1:"+port(t)
	site := "https://photos.test:" + listen
	w.Write("links.yaml", linkRules)
	filter := "format filter {\n fields {\n request>uri regexp \"/[.]policy_auth/link/[^?]+\" /.policy_auth/link/REDACTED\n }\n }\n"
	w.Write("Caddyfile", fmt.Sprintf("{\n admin %s\n local_certs\n skip_install_trust\n http_port %s\n log {\n level DEBUG\n %s }\n}\n%s {\n log {\n %s }\n policy_auth {\n login form {\n users users.yaml\n }\n session {\n store file store.db\n }\n links\n access links.yaml\n }\n reverse_proxy %s\n}\n",
		adminAddress, port(t), filter, site, filter, album.address))
	s := start(t, w.Dir, "Caddyfile", adminAddress)
	link, token := addLink(t, w.Dir, adminAddress, site+"/2026/*", "--until", "7d", "--name", "Summer <b>2026</b>", "--uses", "1")

	member, guest := openWindow(t), openWindow(t)
	member.visit(site + "/.policy_auth/login")
	member.write("input[name=username]", "bob")
	member.write("input[name=password]", canary)
	member.click("button")
	guest.visit(link.URL)
	guest.wantText("Summer <b>2026</b>")
	guest.run("const form = document.forms[0]; form.requestSubmit(); setTimeout(() => form.requestSubmit(), 5)") // a double click
	guest.wantText("page /2026/")
	if got := guest.url(); got != site+"/2026/" {
		t.Errorf("the address bar shows %s", got)
	}
	guest.click("#more")
	guest.wantText("page /2026/more")
	album.mu.Lock()
	for _, r := range album.seen {
		if strings.Contains(fmt.Sprint(r.Header, r.URL), token) || strings.Contains(r.Header.Get("Cookie"), "policy_auth") {
			t.Errorf("the upstream gets %v", r.Header)
		}
	}
	album.mu.Unlock()
	if cookie := guest.cookies()["__Host-policy_auth_guest"]; cookie == nil || cookie["httpOnly"] != true || cookie["secure"] != true || strings.Contains(fmt.Sprint(cookie["value"]), token) {
		t.Errorf("the cookie is %v", cookie)
	}
	for script, want := range map[string]string{
		"return fetch('/2026/a', {method: 'POST'}).then(r => '' + r.status)":               "401",
		"return fetch('/2026/a').then(r => '' + r.status)":                                 "200",
		"return fetch('/2025/a').then(r => '' + r.status)":                                 "401",
		"return '' + document.referrer.includes('" + token + "') + location.href.length":   "",
		"return fetch('/.policy_auth/link/x').then(r => r.status + r.headers.get('vary'))": "404",
	} {
		if got := fmt.Sprint(guest.run(script)); !strings.HasPrefix(got, want) || strings.HasPrefix(got, "true") {
			t.Errorf("%s: %s", script, got)
		}
	}
	guest.visit(site + "/2025/")
	guest.wantText("Sign in")

	// A member who opens the link stays signed in, although its only use is gone.
	member.visit(site + "/2025/")
	member.wantText("page /2025/")

	_ = s.cmd.Process.Kill()
	written := s.written()
	s.stop()
	s = start(t, w.Dir, "Caddyfile", adminAddress)
	guest.visit(site + "/2026/")
	guest.wantText("page /2026/")
	if list := policyAuth(t, w.Dir, "", "link", "list", "--address", adminAddress); !strings.Contains(list, link.ID) || !strings.Contains(list, "1 of 1") || strings.Contains(list, token) {
		t.Errorf("the list is %s", list)
	}
	if said := policyAuth(t, w.Dir, "", "link", "revoke", link.ID, "--address", adminAddress); said != "1 revoked\n" {
		t.Errorf("%q", said)
	}
	guest.visit(site + "/2026/")
	guest.wantText("Sign in")
	guest.visit(link.URL)
	guest.wantText("This link does not work")
	written += s.written()
	if strings.Contains(written, token) {
		t.Error("the log has the token")
	}
	for _, want := range []string{"/.policy_auth/link/REDACTED", "share link opened", "share link refused", "link:" + link.ID} {
		if !strings.Contains(written, want) {
			t.Errorf("the log lacks %q", want)
		}
	}
	for _, path := range []string{"/policy_auth/links", "/policy_auth/decisions", "/policy_auth/sessions"} {
		if _, _, body := do(t, "GET", s.admin+path, ""); strings.Contains(body, token) {
			t.Errorf("the answer of %s has the token", path)
		}
	}
}

// TestE2E_S19Machines: a link that was made on one machine is opened on another with the same
// Redis, and revoked on the first it is dead on the second within a second.
func TestE2E_S19Machines(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir()) // the storage of both
	redisPort := port(t)
	startRedis(t, redisPort)
	w := newEnv(t)
	w.Write("links.yaml", linkRules)
	number, machine := port(t), 0
	site := "http://album.test:" + number // on both machines, which have an address each
	var admins [2]string
	for i := range admins {
		admins[i] = "127.0.0.1:" + port(t)
		name := fmt.Sprintf("Caddyfile%d", i)
		w.Write(name, fmt.Sprintf("{\n admin %s\n auto_https off\n}\n%s {\n bind 127.0.0.%d\n policy_auth {\n links {\n store redis redis://127.0.0.1:%s\n }\n access links.yaml\n }\n respond album\n}\n", admins[i], site, i+1, redisPort))
		start(t, w.Dir, name, admins[i])
	}
	link, token := addLink(t, w.Dir, admins[0], site+"/2026/*", "--until", "1h")
	jar, _ := cookiejar.New(nil)
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, fmt.Sprintf("127.0.0.%d:%s", machine+1, number))
	}}
	client := &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	status := func(on int, path string) int {
		machine = on
		answer, err := client.Get(site + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	machine = 1
	answer, err := client.PostForm(site+sharelink.PathPrefix+token, url.Values{})
	if err != nil || answer.StatusCode != 303 || answer.Header.Get("Location") != "/2026/" {
		t.Fatal(answer, err)
	}
	for on := range admins {
		if got := status(on, "/2026/a"); got != 200 {
			t.Errorf("machine %d: %d", on, got)
		}
	}
	policyAuth(t, w.Dir, "", "link", "revoke", link.ID, "--address", admins[0])
	revoked := time.Now()
	if got := status(0, "/2026/a"); got == 200 {
		t.Error("the link counts where it was revoked")
	}
	eventually(t, "the guest is dead on the other machine", func() bool { return status(1, "/2026/a") != 200 })
	eventually(t, "the link is dead on the other machine", func() bool { return status(1, sharelink.PathPrefix+token) == 404 })
	if took := time.Since(revoked); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestE2E_S19Admin: what the admin API and the command refuse.
func TestE2E_S19Admin(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	w := newEnv(t)
	w.Write("links.yaml", linkRules)
	adminAddress := "127.0.0.1:" + port(t)
	site := "http://photos.localhost:" + port(t)
	w.Write("Caddyfile", fmt.Sprintf("{\n admin %s\n auto_https off\n}\n%s {\n policy_auth {\n links {\n max_age 14d\n }\n access links.yaml\n }\n respond album\n}\n", adminAddress, site))
	s := start(t, w.Dir, "Caddyfile", adminAddress)
	links := s.admin + "/policy_auth/links"
	for name, test := range map[string]struct {
		method, url, body, header, want string
		status                          int
	}{
		"S-42 POST without the header":   {"POST", links, "{}", "", "X-Policy-Auth", 403},
		"S-42 DELETE without the header": {"DELETE", links + "/abc", "", "", "X-Policy-Auth", 403},
		"another method":                 {"PUT", links, "{}", "1", "GET and POST only", 405},
		"no JSON":                        {"POST", links, "urls=a", "1", "want JSON such as", 400},
		"an unknown member":              {"POST", links, `{"url": "a"}`, "1", "unknown field", 400},
		"no URL":                         {"POST", links, `{}`, "1", "name a URL", 400},
		"too long":                       {"POST", links, `{"urls": ["` + site + `/a"], "until": "60d"}`, "1", "max_age of links allows at most 14d", 400},
		"a long name":                    {"POST", links, `{"urls": ["` + site + `/a"], "name": "` + strings.Repeat("a", 10<<10) + `"}`, "1", "at most 200", 400},
		"another host":                   {"POST", links, `{"urls": ["https://other.example.com/a"]}`, "1", "no site with share links serves other.example.com", 400},
		"too large":                      {"POST", links, `{"name": "` + strings.Repeat("a", 300<<10) + `"}`, "1", "too large", 400},
		"S-19 an unknown link":           {"DELETE", links + "/mfrggzdfmztwq2lk", "", "1", `"revoked":0`, 200},
	} {
		r, err := http.NewRequest(test.method, test.url, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		if test.header != "" {
			r.Header.Set("X-Policy-Auth", test.header)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || answer.StatusCode != test.status || !strings.Contains(string(body), test.want) {
			t.Errorf("%s: %d %s, %v", name, answer.StatusCode, body, err)
		}
	}
}

// TestE2E_S19Warning: a site whose links open nothing gets a warning at load.
func TestE2E_S19Warning(t *testing.T) {
	for rules, want := range map[string]bool{
		"":                     true,
		"access guests.yaml":   false,
		"access kinds.yaml":    false,
		"access members.yaml":  true,
		"policies guests.rego": false,
		"policies users.rego":  true,
	} {
		w := newEnv(t)
		w.Write("guests.yaml", "rules: [{allow: [{links: true}]}]\n")
		w.Write("kinds.yaml", "default: [{kinds: [guest]}]\n")
		w.Write("members.yaml", "rules: [{allow: [{kinds: [user]}, {authenticated: true}]}]\n")
		w.Write("guests.rego", "package caddy.authz\n\nallow if input.identity.kind == \"guest\"\n")
		w.Write("users.rego", "package caddy.authz\n\nallow if input.identity.authenticated\n")
		w.Write("Caddyfile", "{\n admin off\n auto_https off\n}\nhttp://127.0.0.1:"+port(t)+" {\n policy_auth {\n basic {\n users users.yaml\n }\n links\n "+rules+"\n }\n}\n")
		validate := exec.Command(binary(t), "validate", "--config", "Caddyfile")
		validate.Dir = w.Dir
		output, err := validate.CombinedOutput()
		if got := strings.Contains(string(output), "no rule is for guests"); err != nil || got != want {
			t.Errorf("%q: %v, %v\n%s", rules, got, err, output)
		}
	}
}
