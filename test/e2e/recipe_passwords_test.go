//go:build e2e

package e2e

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// owner signs in at the provider of a recipe in a browser, and returns what makes app
// passwords and what ends all of them.
func (r *recipe) owner(t *testing.T, site string) (made func(scopes ...string) string, end func()) {
	t.Helper()
	browser := r.from(t, outside)
	if status, end, body := browser.open(site + "/.policy_auth/app_passwords"); status != 200 {
		t.Fatal(status, end, body)
	}
	return func(scopes ...string) string { return makePassword(t, browser.client, site, scopes...) }, func() {
		policyAuth(t, r.Dir, "", "key", "end", "--all", "--address", strings.TrimPrefix(r.server.admin, "http://"))
	}
}

// TestE2ERecipeImmich runs docs/recipes/immich.md with the headers of Immich's clients.
func TestE2ERecipeImmich(t *testing.T) {
	provider, photos := newProvider(t, "family"), newApp(t, socketOr(nil))
	r := newRecipe(t, "immich", "localhost:2283", photos.address, "https://id.example.com", provider.URL).serve()
	const site, ping = "https://photos.example.com", "https://photos.example.com/api/server/ping"
	made, end := r.owner(t, site)
	secret := made()
	phone, browser := r.from(t, outside), r.from(t, outside)
	for _, own := range [][]string{{"Authorization", "Bearer immich-token"}, {"X-Immich-User-Token", "immich-token"}, {"X-Api-Key", "immich-key"}, {"Cookie", "immich_access_token=abc"}} {
		phone.want(photos, 401, "GET", ping, own...)
		ours := []string{"X-Api-Key", secret}
		if own[0] == "X-Api-Key" {
			ours = []string{"Authorization", "Bearer " + secret}
		}
		wantCurl(t, 200, r.port, site+"/api/assets", "-F", "deviceId=1", "-H", own[0]+": "+own[1], "-H", ours[0]+": "+ours[1])
		if seen := photos.last(); seen == nil || seen.Method != "POST" || seen.Header.Get(own[0]) != own[1] || seen.Header.Get(ours[0]) != "" {
			t.Errorf("%s does not reach Immich, or the app password does: %v", own[0], seen)
		}
	}
	phone.want(photos, 401, "GET", ping, "X-Api-Key", "pa_guess")
	phone.upgrade(101, site+"/api/socket.io/?transport=websocket", "X-Api-Key", secret)
	if status, end, _ := browser.open(site + "/photos"); status != 200 || end != site+"/photos" {
		t.Fatalf("a browser: %d %s", status, end)
	}
	browser.upgrade(101, site+"/api/socket.io/?transport=websocket", "Origin", site)
	end()
	phone.want(photos, 401, "GET", ping, "X-Api-Key", secret)
}

// TestE2ERecipeAppPasswords: what programs send to Jellyfin and Home Assistant with an app
// password besides the application's own credential.
func TestE2ERecipeAppPasswords(t *testing.T) {
	for _, test := range []struct {
		page, upstream, site, header string
		edits, own                   []string
		socket                       string
	}{
		{"jellyfin", "localhost:8096", "https://media.example.com/Users/Me", "X-Api-Key", []string{lan, lanHere}, []string{"Authorization", `MediaBrowser Client="script", Device="a", DeviceId="1", Version="1", Token="abc"`}, "/socket?api_key=abc"},
		{"jellyfin", "localhost:8096", "https://media.example.com/System/Info/Public", "X-Api-Key", []string{lan, lanHere}, []string{"X-Emby-Token", "abc"}, "/socket?api_key=abc"},
		{"home-assistant", "localhost:8123", "https://ha.example.com/api/states", "X-Proxy-Key", []string{lan, lanHere}, []string{"Authorization", foreign}, "/api/websocket"},
	} {
		provider, app := newProvider(t, "family"), newApp(t, socketOr(nil))
		r := newRecipe(t, test.page, append(test.edits, test.upstream, app.address, "https://id.example.com", provider.URL)...)
		r.env.Write("keys.yaml", pitfallKeys)
		r.serve()
		site := strings.Join(strings.Split(test.site, "/")[:3], "/")
		made, end := r.owner(t, site)
		secret := made()
		app.last()
		own := test.own[0] + ": " + test.own[1]
		answer := wantCurl(t, 401, r.port, test.site, "-H", own)
		if strings.Contains(answer, "Basic") {
			t.Errorf("%s offers Basic: %s", test.page, answer)
		}
		wantCurl(t, 200, r.port, test.site, "-H", own, "-H", test.header+": "+secret)
		if seen := app.last(); seen == nil || seen.Header.Get(test.own[0]) != test.own[1] || seen.Header.Get(test.header) != "" {
			t.Errorf("%s gets %v", test.page, seen)
		}
		program := r.from(t, outside)
		program.upgrade(101, site+test.socket, test.header, secret, test.own[0], test.own[1])
		program.upgrade(401, site+test.socket, test.own[0], test.own[1])
		end()
		wantCurl(t, 401, r.port, test.site, "-H", own, "-H", test.header+": "+secret)
	}
}

// TestE2ERecipeNextcloudClosed runs docs/recipes/nextcloud.md without open paths, by rclone
// and with a WebDAV server that authenticates its clients itself.
func TestE2ERecipeNextcloudClosed(t *testing.T) {
	provider, files := newProvider(t, "family"), "127.0.0.1:"+port(t)
	r := newRecipe(t, "nextcloud", "localhost:8080", files, "https://id.example.com", provider.URL, "allow: [{anyone: true}]", "allow: [{groups: [family]}]").serve()
	r.env.Write("folder/a.txt", "hello")
	r.env.Write("rclone.conf", "")
	serveDAV(t, r, files, "--user", "alice", "--pass", "app-password", "--baseurl", "/remote.php/dav/files/alice")
	const dav = "https://cloud.example.com/remote.php/dav/files/alice"
	made, end := r.owner(t, "https://cloud.example.com")
	header := "X-API-Key: " + made()
	if listed, err := r.rclone(t, "lsf", remote(t, dav, "alice", "app-password"), "--header", header); err != nil || strings.TrimSpace(listed) != "a.txt" {
		t.Errorf("rclone lists %q, %v", listed, err)
	}
	for name, args := range map[string][]string{"no app password": {"app-password"}, "a wrong one": {"app-password", "--header", "X-API-Key: pa_wrong"}, "not Nextcloud's": {"guess", "--header", header}} {
		if listed, err := r.rclone(t, append([]string{"lsf", remote(t, dav, "alice", args[0])}, args[1:]...)...); err == nil {
			t.Errorf("%s: rclone lists %q", name, listed)
		}
	}
	end()
	if listed, err := r.rclone(t, "lsf", remote(t, dav, "alice", "app-password"), "--header", header); err == nil {
		t.Errorf("after the end, rclone lists %q", listed)
	}
}

// serveDAV runs a WebDAV server on DIR/folder.
func serveDAV(t *testing.T, r *recipe, address string, args ...string) {
	t.Helper()
	run(t, exec.Command("rclone", append([]string{"serve", "webdav", filepath.Join(r.Dir, "folder"), "--addr", address, "--config", filepath.Join(r.Dir, "rclone.conf")}, args...)...))
	eventually(t, "the WebDAV server answers", func() bool {
		answer, err := http.Get("http://" + address + "/")
		if err == nil {
			_ = answer.Body.Close()
		}
		return err == nil
	})
}

// TestE2ERecipeWebDAV runs docs/recipes/webdav.md with rclone as the program and the server.
func TestE2ERecipeWebDAV(t *testing.T) {
	provider, files := newProvider(t, "family"), "127.0.0.1:"+port(t)
	r := newRecipe(t, "webdav", "localhost:8080", files, "https://id.example.com", provider.URL).serve()
	r.env.Write("folder/a/b.txt", "hello")
	r.env.Write("new.txt", "new")
	serveDAV(t, r, files)
	const site = "https://files.example.com"
	made, end := r.owner(t, site)
	reader, writer := made(), made("write")
	for password, may := range map[string]struct{ read, write bool }{reader: {true, false}, writer: {true, true}, "pa_wrong": {}, "wrong": {}} {
		files := remote(t, site, "alice", password)
		for _, step := range []struct {
			want bool
			args []string
		}{
			{may.read, []string{"lsf", "-R", files}},
			{may.read, []string{"cat", files + "a/b.txt"}},
			{may.write, []string{"copyto", "new.txt", files + "a/new.txt"}},
			{may.write, []string{"mkdir", files + "c"}},
			{may.write, []string{"moveto", files + "a/new.txt", files + "c/moved.txt"}},
			{may.write, []string{"purge", files + "c"}},
		} {
			if said, err := r.rclone(t, step.args...); (err == nil) != step.want {
				t.Errorf("%s with %.6s…: %v %s", step.args[0], password, err, said)
			}
		}
	}
	wantCurl(t, 401, r.port, site+"/a/b.txt", "-u", "Alice:"+reader)
	end()
	if said, err := r.rclone(t, "lsf", remote(t, site, "alice", writer)); err == nil {
		t.Errorf("after the end: %s", said)
	}
}
