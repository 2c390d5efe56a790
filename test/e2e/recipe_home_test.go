//go:build e2e

package e2e

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The home network of the recipes, and what stands for it: a client from atHome is in
// it, one from outside is not.
const (
	lan     = "192.168.1.0/24"
	lanHere = "127.0.0.2/32"
	atHome  = "127.0.0.2"
	outside = "127.0.0.1"
)

// TestE2ERecipeHomeServer runs docs/recipes/home-server.md before a real WebDAV server.
func TestE2ERecipeHomeServer(t *testing.T) {
	home, media, files := newApp(t, nil), newApp(t, nil), "127.0.0.1:"+port(t)
	r := newRecipe(t, "home-server", "localhost:3000", home.address, "localhost:8096", media.address, "localhost:8080", files, lan, lanHere).serve()
	r.env.Write("folder/shared/a.txt", "shared")
	r.env.Write("folder/private/b.txt", "private")
	run(t, exec.Command("rclone", "serve", "webdav", filepath.Join(r.Dir, "folder"), "--addr", files, "--config", filepath.Join(r.Dir, "rclone.conf")))

	inside, away := r.from(t, atHome), r.from(t, outside)
	inside.want(home, 200, "GET", "https://home.example.com/")
	inside.ask("GET", "https://media.example.com/", "Remote-User", "alice")
	if seen := media.last(); seen == nil || seen.Header.Get("Remote-User") != "" {
		t.Errorf("a client names itself: %v", seen)
	}
	if got := away.want(home, 303, "GET", "https://home.example.com/", page...).Get("Location"); !strings.HasPrefix(got, "/.policy_auth/login") {
		t.Errorf("a browser is sent to %q", got)
	}
	away.want(home, 401, "GET", "https://home.example.com/", "Sec-Fetch-Mode", "cors")

	away.signInByForm("https://home.example.com", "bob", "builder")
	away.ask("GET", "https://media.example.com/")
	if seen := media.last(); seen == nil || seen.Header.Get("Remote-User") != "bob" || seen.Header.Get("Remote-Groups") != "family" || strings.Contains(seen.Header.Get("Cookie"), "policy_auth") {
		t.Errorf("signed in on the other host: %v", seen)
	}

	r.wantDAV(t)
}

// wantDAV asks the WebDAV server of the home server as programs do.
func (r *recipe) wantDAV(t *testing.T) {
	t.Helper()
	program := r.from(t, outside)
	for _, test := range []struct {
		method, path, user string
		status             int
	}{
		{"GET", "/private/b.txt", "bob", 403},
		{"GET", "/private/b.txt", "alice", 200},
		{"GET", "/shared/a.txt", "bob", 200},
		{"GET", "/shared/a.txt", "", 401},
		{"DELETE", "/", "bob", 403},
		{"DELETE", "/shared/a.txt", "bob", 204},
	} {
		var header []string
		if test.user != "" {
			header = []string{"Authorization", credentials(test.user, map[string]string{"alice": "wonderland", "bob": "builder"}[test.user])}
		}
		if got, _, body := program.ask(test.method, "https://files.example.com"+test.path, header...); got != test.status {
			t.Errorf("%s %s by %s: %d, want %d\n%s", test.method, test.path, test.user, got, test.status, body)
		}
	}
	if listed, err := r.rclone(t, "lsd", remote(t, "https://files.example.com", "bob", "builder")); err != nil || !strings.Contains(listed, "shared") {
		t.Errorf("rclone lists %s, %v", listed, err)
	}
}

// TestE2ERecipeJellyfin runs docs/recipes/jellyfin.md with what Jellyfin's clients send.
func TestE2ERecipeJellyfin(t *testing.T) {
	provider, media := newProvider(t, "family"), newApp(t, nil)
	r := newRecipe(t, "jellyfin", "localhost:8096", media.address, "https://id.example.com", provider.URL, lan, lanHere).serve()
	const site, own = "https://media.example.com", `MediaBrowser Client="TV", Device="TV", DeviceId="1", Version="1", Token="abc"`
	tv, phone, browser := r.from(t, atHome), r.from(t, outside), r.from(t, outside)
	for _, header := range [][]string{{"Authorization", own}, {"X-Emby-Token", "abc"}} {
		phone.want(media, 401, "GET", site+"/Users/Me", header...)
		tv.ask("GET", site+"/Users/Me", header...)
		if seen := media.last(); seen == nil || seen.Header.Get(header[0]) != header[1] {
			t.Errorf("%s does not reach Jellyfin: %v", header[0], seen)
		}
	}
	tv.want(media, 200, "GET", site+"/Videos/1/stream?api_key=abc")
	phone.want(media, 401, "GET", site+"/System/Info/Public")
	if status, end, body := browser.open(site + "/web/"); status != 200 || end != site+"/web/" || body != "the application" {
		t.Fatalf("%d %s %s", status, end, body)
	}
	browser.ask("GET", site+"/Users/Me", "Authorization", own, "Sec-Fetch-Site", "same-origin")
	if seen := media.last(); seen == nil || seen.Header.Get("Authorization") != own || strings.Contains(seen.Header.Get("Cookie"), "policy_auth") {
		t.Errorf("a signed-in browser: %v", seen)
	}
}

// TestE2ERecipeNextcloud runs docs/recipes/nextcloud.md with a WebDAV server that
// authenticates its clients itself, as Nextcloud does.
func TestE2ERecipeNextcloud(t *testing.T) {
	cloud := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		if name, password, _ := r.BasicAuth(); strings.HasPrefix(r.URL.Path, "/remote.php/") && (name != "alice" || password != "app-password") {
			w.Header().Set("WWW-Authenticate", `Basic realm="Nextcloud"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	provider := newProvider(t, "family")
	r := newRecipe(t, "nextcloud", "localhost:8080", cloud.address, "https://id.example.com", provider.URL).serve()
	const site, file = "https://cloud.example.com", "https://cloud.example.com/remote.php/dav/files/alice/a.txt"
	client, browser := r.from(t, outside), r.from(t, outside)
	right, wrong := credentials("alice", "app-password"), credentials("alice", "guess")
	for _, method := range []string{"PROPFIND", "GET", "PUT", "DELETE", "MKCOL", "REPORT"} {
		client.want(cloud, 200, method, file, "Authorization", right)
	}
	client.want(cloud, 200, "MOVE", file, "Authorization", right, "Destination", site+"/remote.php/dav/files/alice/b.txt")
	client.want(cloud, 200, "PROPFIND", site+"/remote.php/dav/files/alice/", "Authorization", right)
	status, header, _ := client.ask("GET", file, "Authorization", wrong)
	if status != 401 || header.Get("WWW-Authenticate") != `Basic realm="Nextcloud"` || cloud.last() == nil {
		t.Errorf("a wrong app password is Nextcloud's to refuse: %d %v", status, header)
	}
	for _, path := range []string{"/status.php", "/index.php/204", "/ocs/v2.php/cloud/capabilities", "/index.php/login/v2", "/login/v2/poll", "/index.php/avatar/alice/64"} {
		client.want(cloud, 200, "GET", site+path)
	}
	for _, path := range []string{"/", "/login", "/index.php/login", "/index.php/apps/files", "/settings/admin", "/s/abc", "/index.php/settings/users", "/remote.phpx/", "/remote.php/../settings/admin"} {
		if status, _, _ := client.ask("GET", site+path, "Authorization", wrong); status != 401 && status != 400 {
			t.Errorf("%s: %d", path, status)
		}
		if seen := cloud.last(); seen != nil {
			t.Errorf("%s reaches Nextcloud as %s", path, seen.URL)
		}
	}
	if got := client.want(cloud, 301, "PROPFIND", site+"/.well-known/caldav").Get("Location"); got != "/remote.php/dav/" {
		t.Errorf("caldav is at %q", got)
	}
	if status, end, _ := browser.open(site + "/login/v2/flow/abc"); status != 200 || end != site+"/login/v2/flow/abc" {
		t.Errorf("a browser: %d %s", status, end)
	}
	browser.want(cloud, 200, "GET", site+"/index.php/apps/files")
}

// TestE2ERecipeHomeAssistant runs docs/recipes/home-assistant.md with the requests of
// its pages, scripts, app and webhooks.
func TestE2ERecipeHomeAssistant(t *testing.T) {
	provider, ha := newProvider(t, "family"), newApp(t, socketOr(nil))
	r := newRecipe(t, "home-assistant", "localhost:8123", ha.address, "https://id.example.com", provider.URL, lan, lanHere)
	key := strings.TrimSpace(policyAuth(t, r.Dir, "", "key", "add", "backup", "--owner", "backup", "--roles", "script"))
	r.serve()
	const site, own = "https://ha.example.com", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiI0NzExIn0.c2lnbmF0dXJl"
	app, script, browser := r.from(t, atHome), r.from(t, outside), r.from(t, outside)
	script.want(ha, 401, "GET", site+"/api/", "Authorization", own)
	script.ask("GET", site+"/api/", "Authorization", own, "X-Proxy-Key", key)
	if seen := ha.last(); seen == nil || seen.Header.Get("Authorization") != own || seen.Header.Get("X-Proxy-Key") != "" || seen.Header.Get("X-Forwarded-For") == "" {
		t.Errorf("a script with both: %v", seen)
	}
	app.want(ha, 200, "GET", site+"/api/config", "Authorization", own)
	app.upgrade(101, site+"/api/websocket")
	script.want(ha, 200, "POST", site+"/api/webhook/4711")
	script.want(ha, 401, "GET", site+"/api/webhook/4711")
	script.want(ha, 400, "POST", site+"/api/webhook/../services/lock/unlock%2f..", "Authorization", own)
	script.upgrade(401, site+"/api/websocket")
	if status, end, _ := browser.open(site + "/lovelace"); status != 200 || end != site+"/lovelace" {
		t.Fatalf("a browser: %d %s", status, end)
	}
	browser.ask("GET", site+"/api/config", "Authorization", own, "Sec-Fetch-Site", "same-origin")
	if seen := ha.last(); seen == nil || seen.Header.Get("Authorization") != own {
		t.Errorf("a page with Home Assistant's own token: %v", seen)
	}
	browser.want(ha, 200, "GET", site+"/service_worker.js", "Service-Worker", "script")
	browser.upgrade(101, site+"/api/websocket", "Origin", site)
	browser.upgrade(403, site+"/api/websocket", "Origin", "https://evil.example")
}

// TestE2ERecipeVaultwarden runs docs/recipes/vaultwarden.md with what Bitwarden's
// clients send.
func TestE2ERecipeVaultwarden(t *testing.T) {
	provider, vault := newProvider(t, "admins"), newApp(t, socketOr(nil))
	r := newRecipe(t, "vaultwarden", "localhost:8000", vault.address, "https://id.example.com", provider.URL).serve()
	const site, token = "https://vault.example.com", "Bearer eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.e30.AA"
	phone, browser := r.from(t, outside), r.from(t, outside)
	phone.ask("GET", site+"/api/sync", "Authorization", token, "X-Real-IP", "203.0.113.9")
	if seen := vault.last(); seen == nil || seen.Header.Get("Authorization") != token || seen.Header.Get("X-Real-IP") != outside {
		t.Errorf("a client's request: %v", seen)
	}
	phone.want(vault, 200, "POST", site+"/identity/connect/token", "Origin", "chrome-extension://abc", "Sec-Fetch-Site", "cross-site")
	phone.upgrade(101, site+"/notifications/hub?access_token=abc")
	vault.last()
	for _, path := range []string{"/admin", "/admin/", "/ADMIN/users", "/%61dmin", "//admin", "/admin;a/users", "/x/../admin", "/admin%2Fusers"} {
		if status, _, _ := phone.ask("GET", site+path, "Authorization", token); status != 401 && status != 400 {
			t.Errorf("%s: %d", path, status)
		}
		if seen := vault.last(); seen != nil {
			t.Errorf("%s reaches Vaultwarden as %s", path, seen.URL)
		}
	}
	if status, end, _ := browser.open(site + "/admin"); status != 200 || end != site+"/admin" {
		t.Fatalf("an admin: %d %s", status, end)
	}
	browser.want(vault, 200, "POST", site+"/identity/connect/token", "Origin", "chrome-extension://abc", "Sec-Fetch-Site", "cross-site")
	browser.want(vault, 403, "POST", site+"/admin/users", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	other := newProvider(t, "family")
	provider.Set(func(p *oidcProvider) { p.Claims["groups"] = other.Claims["groups"] })
	stranger := r.from(t, outside)
	if status, _, _ := stranger.open(site + "/admin"); status != 403 {
		t.Errorf("a user who is no admin: %d", status)
	}
}

// TestE2ERecipeGrafana runs docs/recipes/grafana.md: only policy_auth names the user.
func TestE2ERecipeGrafana(t *testing.T) {
	provider, grafana := newProvider(t, "staff", "on call"), newApp(t, socketOr(nil))
	provider.Claims["name"] = "Zoë"
	r := newRecipe(t, "grafana", "localhost:3000", grafana.address, "https://id.example.com", provider.URL, "10.0.5.0/24", lanHere).serve()
	const site = "https://grafana.example.com"
	stranger, program, browser := r.from(t, outside), r.from(t, atHome), r.from(t, outside)
	stranger.want(grafana, 200, "GET", site+"/api/health")
	stranger.want(grafana, 401, "GET", site+"/", "X-WEBAUTH-USER", "admin")
	stranger.want(grafana, 401, "GET", site+"/api/org", "Authorization", "Bearer glsa_abc")
	program.ask("GET", site+"/api/org", "Authorization", "Bearer glsa_abc", "X-WEBAUTH-USER", "admin", "X_webauth_user", "admin")
	seen := grafana.last()
	if seen == nil || seen.Header.Get("Authorization") != "Bearer glsa_abc" || seen.Header.Get("X-Webauth-User") != "" || seen.Header.Get("X_webauth_user") != "" {
		t.Errorf("a program: %v", seen)
	}
	if status, end, _ := browser.open(site + "/d/1"); status != 200 || end != site+"/d/1" {
		t.Fatalf("a browser: %d %s", status, end)
	}
	browser.ask("GET", site+"/api/user", "X-WEBAUTH-USER", "admin")
	seen = grafana.last()
	for name, want := range map[string]string{"X-Webauth-User": "alice", "X-Webauth-Name": "Zo%C3%AB", "X-Webauth-Email": "alice@example.com", "X-Webauth-Groups": "staff,on call"} {
		if got := seen.Header[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	browser.upgrade(101, site+"/api/live/ws", "Origin", site)
	if status, _, _ := browser.ask("GET", site+"/.policy_auth/logout", page...); status != 200 {
		t.Errorf("the page for signing out: %d", status)
	}
}
