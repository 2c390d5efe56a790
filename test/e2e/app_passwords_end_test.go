//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
)

// twins are two servers with the same site, Redis and storage.
type twins struct {
	t             *testing.T
	w             *env
	sites, admins [2]string
	servers       [2]*server
}

// startTwins runs a site on two servers. REDIS in it is the URL of their Redis.
func startTwins(t *testing.T, site string) *twins {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	p, redisPort := &twins{t: t, w: newEnv(t)}, port(t)
	startRedis(t, redisPort)
	site = strings.NewReplacer("DIR", p.w.Dir, "REDIS", "redis://127.0.0.1:"+redisPort).Replace(site)
	for i := range p.sites {
		p.sites[i], p.admins[i] = "http://127.0.0.1:"+port(t), "127.0.0.1:"+port(t)
		name := fmt.Sprintf("Caddyfile%d", i)
		p.w.Write(name, fmt.Sprintf("{\n admin %s\n auto_https off\n}\n%s {\npolicy_auth {\n%s}\nrespond protected\n}\n", p.admins[i], p.sites[i], site))
		p.servers[i] = start(t, p.w.Dir, name, p.admins[i])
	}
	return p
}

// status asks a server with an app password.
func (p *twins) status(i int, secret string) int {
	p.t.Helper()
	status, _, _ := do(p.t, "GET", p.sites[i]+"/mail", "", "Authorization", "Bearer "+secret)
	return status
}

// works holds that an app password works on both servers.
func (p *twins) works(what, secret string) {
	p.t.Helper()
	for i := range p.sites {
		if got := p.status(i, secret); got != 200 {
			p.t.Errorf("%s: %d on server %d", what, got, i)
		}
	}
}

// ends holds that an app password that works on both servers does not any more soon after
// something happens.
func (p *twins) ends(what, secret string, happen func()) {
	p.t.Helper()
	p.works("before "+what, secret)
	happen()
	began := time.Now()
	for i := range p.sites {
		eventually(p.t, what+" counts on both servers", func() bool { return p.status(i, secret) == 401 })
	}
	if took := time.Since(began); took > 2*time.Second { // a second, on an idle machine
		p.t.Errorf("%s: it took %s", what, took)
	}
}

// TestE2E_S18Machines: S-18, S-17. An app password that was made on one machine works on
// another with the same Redis; revoked by its owner or an operator, or with its owner
// disabled, it is dead on both within a second, and those of others are not.
func TestE2E_S18Machines(t *testing.T) {
	p := startTwins(t, strings.Replace(formSite, "file DIR/store.db", "redis REDIS", 1)+"app_passwords\n")
	alice, bob := newBrowser(t), newBrowser(t)
	alice.signIn(p.sites[0], "alice")
	bob.signIn(p.sites[0], "bob")
	kept := makePassword(t, alice.client, p.sites[0])
	made := func() string { return makePassword(t, bob.client, p.sites[0]) }

	secret := made()
	p.ends("revoking", secret, func() {
		_, token := passwordForm(t, bob.client, p.sites[1])
		if status, page := submitPassword(t, bob.client, p.sites[1], url.Values{"action": {"revoke"}, "id": {passwordID(secret)}, "token": {token}}); status != 303 {
			t.Errorf("%d %s", status, page)
		}
	})

	secret = made()
	listed := policyAuth(t, p.w.Dir, "", "key", "list", "--app-passwords", "--user", "bob", "--address", p.admins[1])
	if !strings.Contains(listed, passwordID(secret)) || strings.Contains(listed, passwordID(kept)) || strings.Contains(listed, secret[20:]) {
		t.Errorf("key list: %s", listed)
	}
	all := policyAuth(t, p.w.Dir, "", "key", "list", "--app-passwords", "--json", "--address", p.admins[0])
	if !strings.Contains(all, passwordID(secret)) || !strings.Contains(all, passwordID(kept)) {
		t.Errorf("key list of all: %s", all)
	}
	second := made()
	p.ends("key end --id", secret, func() {
		if said := policyAuth(t, p.w.Dir, "", "key", "end", "--id", passwordID(secret), "--address", p.admins[1]); said != "1 ended\n" {
			t.Errorf("key end --id: %q", said)
		}
	})
	p.works("the other one", second)
	p.ends("key end --user", second, func() {
		if said := policyAuth(t, p.w.Dir, "", "key", "end", "--user", "bob", "--address", p.admins[0]); said != "1 ended\n" {
			t.Errorf("key end --user: %q", said)
		}
	})

	for path, ended := range map[string]string{"/policy_auth/app_passwords?user=bob": `{"ended":1}`, "/policy_auth/app_passwords/ID": `{"ended":1}`, "/policy_auth/sessions?user=bob": `"app_passwords":1`} {
		secret := made()
		p.ends("DELETE "+path, secret, func() {
			status, _, body := do(t, "DELETE", p.servers[1].admin+strings.Replace(path, "ID", passwordID(secret), 1), "", "X-Policy-Auth", "1")
			if status != 200 || !strings.Contains(body, ended) {
				t.Errorf("DELETE %s: %d %s", path, status, body)
			}
		})
		bob = newBrowser(t) // the last one ended the session, too
		bob.signIn(p.sites[0], "bob")
	}

	secret = made()
	p.ends("user disable", secret, func() { policyAuth(t, p.w.Dir, "", "user", "disable", "bob", "--users", "users.yaml") })
	p.works("that of alice", kept)

	users, err := os.ReadFile(filepath.Join(p.w.Dir, "users.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	loads := func(s *server) int { return strings.Count(s.written(), "users loaded") }
	for _, change := range []func(){
		func() { policyAuth(t, p.w.Dir, "", "user", "disable", "alice", "--users", "users.yaml") },
		func() { p.w.Write("users.yaml", string(users)) },
	} {
		before := [2]int{loads(p.servers[0]), loads(p.servers[1])}
		change()
		eventually(t, "both servers load the users", func() bool { return loads(p.servers[0]) > before[0] && loads(p.servers[1]) > before[1] })
	}
	for i := range p.sites {
		if got := p.status(i, kept); got != 401 {
			t.Errorf("disabled and enabled again before its use: %d on server %d", got, i)
		}
	}
}

// TestE2E_S18Provider: S-18. App passwords of people who sign in at a provider outlive a
// sign-out, and end on every machine when the provider answers invalid_grant, or signs the
// user out.
func TestE2E_S18Provider(t *testing.T) {
	fake := oidctest.New(t)
	fake.ExpiresIn = 3600
	p := startTwins(t, strings.Replace(oidcSite(fake, ""), "file DIR/store.db", "redis REDIS", 1)+"app_passwords\nupstream_token access\n") // which refreshes tokens as soon as they expire
	signedIn := func() *follower {
		f := newFollower(t)
		if status, _, page := f.open(p.sites[0]+"/mail", nil); status != 200 {
			t.Fatal(status, page)
		}
		return f
	}
	f := signedIn()
	secret := makePassword(t, f.Client, p.sites[0])
	if status, _, page := f.open(p.sites[0]+"/.policy_auth/logout", strings.NewReader("")); status != 200 {
		t.Fatal(status, page)
	}
	p.works("after the sign-out", secret)

	notice := func(change func(header, claims map[string]any)) {
		answer, err := http.PostForm(p.sites[1]+""+login.BackchannelPath+"oidc", url.Values{"logout_token": {fake.LogoutToken(change)}})
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if body, _ := io.ReadAll(answer.Body); answer.StatusCode != 200 {
			t.Fatalf("%d %s", answer.StatusCode, body)
		}
	}
	notice(func(_, claims map[string]any) { claims["sid"] = "of-a-session" })
	p.works("after the end of one session of the provider", secret)
	p.ends("the sign-out of the user", secret, func() { notice(func(_, claims map[string]any) { delete(claims, "sid") }) })

	fake.Set(func(f *oidctest.Provider) { f.ExpiresIn = 1 })
	f = signedIn()
	secret = makePassword(t, f.Client, p.sites[0])
	fake.Set(func(f *oidctest.Provider) { f.Down = true })
	f.open(p.sites[0]+"/mail", nil)
	p.works("while the provider is down", secret)
	fake.Set(func(f *oidctest.Provider) { f.Down = false })
	f = signedIn() // the refresh of the other session waits for a while
	p.ends("invalid_grant", secret, func() {
		fake.Forget()
		eventually(t, "the session has ended", func() bool {
			status, _, _ := do(t, "GET", p.sites[0]+"/mail", "", "Cookie", cookieOf(f, p.sites[0]))
			return status == 401
		})
	})
}

// cookieOf returns the cookies that a client sends to a site.
func cookieOf(f *follower, site string) string {
	to, err := url.Parse(site)
	if err != nil {
		f.t.Fatal(err)
	}
	var pairs []string
	for _, c := range f.Jar.Cookies(to) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}
