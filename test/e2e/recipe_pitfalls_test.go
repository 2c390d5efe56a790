//go:build e2e

package e2e

import (
	"net/http/httputil"
	"strings"
	"testing"
)

// What the table below puts into sites and requests.
const (
	pitfallUsers = "users:\n  alice:\n    password: $2a$10$t/Lje1VoPZn2HZ2/swfTPOpYOuxznHlveiTs978lYhxJp.3pI10Ye\n"
	pitfallKeys  = "keys:\n  - id: ci\n    hash: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n    owner: ci\n"
	addBasic     = "basic {\n\t\t\tusers /etc/caddy/users.yaml\n\t\t}\n\t\taccess "
	appPassword  = "Basic YWxpY2U6YXBwLXBhc3N3b3Jk"
	foreign      = "Bearer eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiI0NzExIn0.c2lnbmF0dXJl"
)

// pitfalls are changes of recipes against their advice, and what then becomes of a request.
var pitfalls = []struct {
	name, page, upstream string
	edits                []string
	signedIn             bool
	status               int
	request              []string // method, address and headers
	logged               string
}{
	{"Nextcloud: a last rule with paths", "nextcloud", "localhost:8080", []string{"    allow: [{groups: [family]}]", "    paths: [/*]\n    allow: [{groups: [family]}]"}, false,
		401, []string{"PROPFIND", "https://cloud.example.com/remote.php/dav/files/alice/", "Authorization", appPassword, "Depth", "1"}, "credentials_missing"},
	{"Nextcloud: basic", "nextcloud", "localhost:8080", []string{"access /", addBasic + "/"}, false,
		401, []string{"PROPFIND", "https://cloud.example.com/remote.php/dav/files/alice/", "Authorization", appPassword, "Depth", "1"}, "password_wrong"},
	{"Jellyfin: a key of Jellyfin's own", "jellyfin", "localhost:8096", []string{"access /", "api_key {\n\t\t\tkeys /etc/caddy/keys.yaml\n\t\t\tfrom header X-Emby-Token\n\t\t}\n\t\taccess /"}, false,
		401, []string{"GET", "https://media.example.com/Users/Me", "X-Emby-Token", "abc"}, "credentials_invalid"},
	{"Immich: an api_key with the default header", "immich", "localhost:2283", []string{"access /", "api_key {\n\t\t\tkeys /etc/caddy/keys.yaml\n\t\t}\n\t\taccess /"}, false,
		401, []string{"GET", "https://photos.example.com/api/server/ping", "X-Api-Key", "immich-key"}, "credentials_invalid"},
	{"Home Assistant: a jwt", "home-assistant", "localhost:8123", []string{"access /", "jwt ISSUER {\n\t\t\taudience api\n\t\t}\n\t\taccess /"}, true,
		401, []string{"GET", "https://ha.example.com/api/config", "Authorization", foreign}, "token_issuer"},
	{"Home Assistant: a jwt that passes them", "home-assistant", "localhost:8123", []string{"access /", "jwt ISSUER {\n\t\t\taudience api\n\t\t\tunknown_issuer pass\n\t\t}\n\t\taccess /"}, true,
		200, []string{"GET", "https://ha.example.com/api/config", "Authorization", foreign}, ""},
	{"Home Assistant: login form", "home-assistant", "localhost:8123", []string{"access /", "login form {\n\t\t\tusers /etc/caddy/users.yaml\n\t\t}\n\t\taccess /"}, true,
		403, []string{"GET", "https://ha.example.com/service_worker.js", "Service-Worker", "script"}, "policy_denied"},
	{"Vaultwarden: a rule instead of the matcher", "vaultwarden", "localhost:8000", []string{"policy_auth @admin {", "policy_auth {", "allow: [{groups: [admins]}]", "allow: [{anyone: true}]"}, true,
		403, []string{"POST", "https://vault.example.com/identity/connect/token", "Origin", "chrome-extension://abc", "Sec-Fetch-Site", "cross-site"}, "cross_site"},
	{"SPA: an origin that cors does not name", "spa-api", "localhost:9000", []string{"origins https://app.example.com", "origins https://www.example.com"}, true,
		403, []string{"PUT", "https://api.example.com/items/1", "Origin", "https://app.example.com", "Sec-Fetch-Site", "same-site"}, "cross_site"},
	{"SPA: a session of one host", "spa-api", "localhost:9000", []string{"\tsession {\n\t\tcookie_domain example.com\n\t}\n", ""}, true,
		401, []string{"GET", "https://api.example.com/items/1", "Origin", "https://app.example.com", "Sec-Fetch-Site", "same-site"}, "credentials_missing"},
}

// TestE2ERecipePitfalls: what the recipes warn of happens if their advice is not taken.
func TestE2ERecipePitfalls(t *testing.T) {
	for _, test := range pitfalls {
		t.Run(test.name, func(t *testing.T) {
			provider, app := newProvider(t, "family", "admins"), newApp(t, nil)
			edits := []string{test.upstream, app.address, "https://id.example.com", provider.URL}
			for _, text := range test.edits {
				edits = append(edits, strings.ReplaceAll(text, "ISSUER", provider.URL))
			}
			r := newRecipe(t, test.page, edits...)
			r.env.Write("users.yaml", pitfallUsers)
			r.env.Write("keys.yaml", pitfallKeys)
			r.serve()
			visitor := r.from(t, outside)
			if test.signedIn {
				site := strings.Join(strings.SplitN(test.request[1], "/", 4)[:3], "/")
				login := "/.policy_auth/login?login=oidc&return_to=%2Fok"
				if status, end, _ := visitor.open(strings.Replace(site, "api.", "app.", 1) + login); status != 200 && status != 404 {
					t.Fatalf("signing in: %d at %s", status, end)
				}
			}
			visitor.want(app, test.status, test.request[0], test.request[1], test.request[2:]...)
			if test.logged != "" && !strings.Contains(r.logged(), `"reason":"`+test.logged+`"`) {
				t.Errorf("the log does not have %s", test.logged)
			}
		})
	}
}

// TestE2ERecipeTunnelUntrusted: without trusted_proxies no one signs in through the
// tunnel, and no one is in the home network.
func TestE2ERecipeTunnelUntrusted(t *testing.T) {
	provider, app, listen := newProvider(t, "family"), newApp(t, nil), port(t)
	r := newRecipe(t, "cloudflare-tunnel", "localhost:9000", app.address, "https://id.example.com", provider.URL, ":8080 {", ":"+listen+" {",
		lan, "127.0.0.0/8", "\t\ttrusted_proxies static 127.0.0.1/32\n", "", "\t\ttrusted_proxies_strict\n", "").serve()
	tunnel := edge(t, "127.0.0.1", listen, func(p *httputil.ProxyRequest) {
		p.SetXForwarded()
		p.Out.Header.Set("X-Forwarded-Proto", "https")
		p.Out.Header.Set("Cf-Connecting-Ip", "203.0.113.9")
	})
	browser := newVisitor(t, outside, tunnel)
	browser.want(app, 401, "GET", "https://app.example.com/")
	if status, end, _ := browser.open("https://app.example.com/"); status != 403 || !strings.Contains(end, "/.policy_auth/login") {
		t.Errorf("signing in: %d at %s", status, end)
	}
	for _, want := range []string{`"reason":"insecure_transport"`, "is not in trusted_proxies"} {
		if !strings.Contains(r.logged(), want) {
			t.Errorf("the log does not have %s", want)
		}
	}
}
