//go:build e2e

package e2e

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// edge starts a proxy that ends TLS and speaks http to a port of this machine, from an
// address. Rewrite sets the headers that such a proxy sends; it returns the proxy's port.
func edge(t *testing.T, from, to string, rewrite func(*httputil.ProxyRequest)) string {
	t.Helper()
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "127.0.0.1:" + to})
			r.Out.Host = r.In.Host
			rewrite(r)
		},
		Transport: &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext},
	}
	server := httptest.NewTLSServer(proxy)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "https://127.0.0.1:")
}

// TestE2ERecipeCloudflareTunnel runs docs/recipes/cloudflare-tunnel.md with the headers
// that Cloudflare adds.
func TestE2ERecipeCloudflareTunnel(t *testing.T) {
	provider, app, listen := newProvider(t, "family"), newApp(t, nil), port(t)
	r := newRecipe(t, "cloudflare-tunnel", "localhost:9000", app.address, "https://id.example.com", provider.URL, ":8080 {", ":"+listen+" {", lan, lan+", "+lanHere).serve()
	var address string // of the client
	tunnel := edge(t, "127.0.0.1", listen, func(p *httputil.ProxyRequest) {
		p.Out.Header["X-Forwarded-For"] = p.In.Header["X-Forwarded-For"]
		p.SetXForwarded() // which adds to the client's own
		p.Out.Header.Set("X-Forwarded-Proto", "https")
		p.Out.Header.Set("Cf-Connecting-Ip", address)
		p.Out.Header.Set("Cf-Ray", "0123456789abcdef-FRA")
		p.Out.Header.Set("Cf-Visitor", `{"scheme":"https"}`)
		p.Out.Header.Set("Cdn-Loop", "cloudflare; loops=1")
	})
	const site = "https://app.example.com/mail"
	address = "203.0.113.9"
	stranger := newVisitor(t, outside, tunnel)
	stranger.want(app, 401, "GET", site)
	stranger.want(app, 401, "GET", site, "X-Forwarded-For", "192.168.1.5")
	if !strings.Contains(r.logged(), `"client_ip":"203.0.113.9"`) {
		t.Error("the log does not have the client's address")
	}
	if status, end, body := stranger.open(site); status != 200 || end != site || body != "the application" {
		t.Fatalf("signing in through the tunnel: %d %s %s", status, end, body)
	}
	if got := provider.Asked(); len(got) != 1 || got[0].Get("redirect_uri") != "https://app.example.com/.policy_auth/callback/oidc" {
		t.Errorf("redirect URI %v", got)
	}
	for _, cookie := range stranger.client.Jar.Cookies(&url.URL{Scheme: "https", Host: "app.example.com", Path: "/"}) {
		if !strings.HasPrefix(cookie.Name, "__Host-policy_auth") {
			t.Errorf("the cookie %s", cookie.Name)
		}
	}
	r.from(t, atHome).want(app, 200, "GET", site)
	r.from(t, outside).want(app, 401, "GET", site)
	other := r.from(t, "127.0.0.3")
	other.want(app, 401, "GET", site, "Cf-Connecting-Ip", "192.168.1.5", "X-Forwarded-For", "192.168.1.5")
}

// TestE2ERecipeTraefik runs docs/recipes/traefik.md with the headers that Traefik sets.
func TestE2ERecipeTraefik(t *testing.T) {
	provider, app := newProvider(t, "staff"), newApp(t, nil)
	r := newRecipe(t, "traefik", "localhost:9000", app.address, "https://id.example.com", provider.URL, "172.30.0.2/32", "127.0.0.3/32").serve()
	var address string
	forwarded := func(p *httputil.ProxyRequest) { // httputil removes what the client sent
		for name, value := range map[string]string{
			"X-Forwarded-For": address, "X-Real-Ip": address, "X-Forwarded-Proto": "https", "X-Forwarded-Host": p.In.Host,
			"X-Forwarded-Port": "443", "X-Forwarded-Server": "traefik",
		} {
			p.Out.Header.Set(name, value)
		}
	}
	traefik, rogue := edge(t, "127.0.0.3", r.plainPort, forwarded), edge(t, "127.0.0.4", r.plainPort, forwarded)
	const status, mail = "https://app.example.com/status", "https://app.example.com/mail"
	address = "203.0.113.7"
	newVisitor(t, outside, traefik).want(app, 200, "GET", status)
	newVisitor(t, outside, rogue).want(app, 401, "GET", status)
	if !strings.Contains(r.logged(), "the peer 127.0.0.4 sent forwarding headers, but is not in trusted_proxies") {
		t.Error("the log does not name the peer")
	}
	address = "198.51.100.7"
	browser := newVisitor(t, outside, traefik)
	browser.want(app, 401, "GET", status, "X-Forwarded-For", "203.0.113.7")
	if code, end, _ := browser.open(mail); code != 200 || end != mail {
		t.Fatalf("signing in behind Traefik: %d %s", code, end)
	}
	browser.want(app, 200, "GET", status)
	if !strings.Contains(r.logged(), `"client_ip":"198.51.100.7"`) {
		t.Error("the log does not have the client's address")
	}
	if code, end, _ := newVisitor(t, outside, rogue).open(mail); code != 403 || !strings.HasPrefix(end, "https://app.example.com/.policy_auth/login") {
		t.Errorf("a proxy that is not trusted: %d %s", code, end)
	}
	if !strings.Contains(r.logged(), `"reason":"insecure_transport"`) {
		t.Error("the log does not tell why")
	}
}

// compose is what of compose.yaml matters to the site.
type compose struct {
	Services map[string]struct {
		Build, Image string
		Ports        []string
		Volumes      []string
		Environment  map[string]string
	}
	Volumes map[string]any
}

// compose reads the recipe's compose.yaml: only Caddy has ports, each upstream of the
// Caddyfile is a service, each named volume exists, and each variable that the
// Caddyfile reads is given to it.
func (r *recipe) compose(t *testing.T) {
	t.Helper()
	var c compose
	text, err := os.ReadFile(filepath.Join(r.Dir, "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	for name, service := range c.Services {
		if (len(service.Ports) > 0) != (name == "caddy") || (service.Build == "") == (service.Image == "") {
			t.Errorf("the service %s: %+v", name, service)
		}
		for _, volume := range service.Volumes {
			from, _, _ := strings.Cut(volume, ":")
			if _, named := c.Volumes[from]; !named && !strings.HasPrefix(from, "./") {
				t.Errorf("the volume %s of %s", volume, name)
			}
		}
	}
	site, err := os.ReadFile(filepath.Join(r.Dir, "Caddyfile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile(`reverse_proxy ([a-z-]+):`).FindAllSubmatch(site, -1) {
		if _, known := c.Services[string(match[1])]; !known {
			t.Errorf("no service is called %s", match[1])
		}
	}
	for _, match := range regexp.MustCompile(`\{env\.([A-Z_]+)\}`).FindAllSubmatch(site, -1) {
		if c.Services["caddy"].Environment[string(match[1])] == "" {
			t.Errorf("%s is not given to Caddy", match[1])
		}
	}
}

// TestE2ERecipeDockerCompose checks the files of docs/recipes/docker-compose.md and
// runs its site.
func TestE2ERecipeDockerCompose(t *testing.T) {
	newRecipe(t, "docker-compose").compose(t)
	provider, app := newProvider(t, "family"), newApp(t, nil)
	r := newRecipe(t, "docker-compose", "app:80", app.address, "https://id.example.com", provider.URL)
	image, err := os.ReadFile(filepath.Join(r.Dir, "Dockerfile"))
	if err != nil || !slices.Contains(strings.Split(string(image), "\n"), "RUN xcaddy build --with github.com/policyauth/caddy-policy-auth") {
		t.Errorf("the image: %v\n%s", err, image)
	}
	r.serve()
	r.from(t, outside).want(app, 401, "GET", "https://app.example.com/")
	browser := r.from(t, outside)
	if status, _, _ := browser.open("https://app.example.com/"); status != 200 {
		t.Errorf("a browser: %d", status)
	}
	if seen := app.last(); seen == nil || seen.Header.Get("X-Auth-User") != "alice" {
		t.Errorf("the app is told of %v", seen)
	}
	r.env.Write("access.yaml", "rules:\n  - hosts: [app.example.com]\n    allow: [{groups: [friends]}]\n")
	eventually(t, "the change counts", func() bool { status, _, _ := browser.ask("GET", "https://app.example.com/"); return status == 403 })
}

// TestE2ERecipeSystemd checks the unit of docs/recipes/systemd.md and runs its site.
func TestE2ERecipeSystemd(t *testing.T) {
	provider, app := newProvider(t, "staff"), newApp(t, nil)
	r := newRecipe(t, "systemd", "localhost:9000", app.address, "https://id.example.com", provider.URL, "/usr/local/bin/caddy", binary(t))
	r.env.Write("oidc-secret", provider.ClientSecret+"\n")
	if verify, err := exec.LookPath("systemd-analyze"); err == nil {
		cmd := exec.Command(verify, "verify", "--man=no", filepath.Join(r.Dir, "policy-auth.service"))
		if output, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(output), "policy-auth.service") {
			t.Errorf("the unit: %v\n%s", err, output)
		}
	} else {
		t.Log("there is no systemd-analyze: the unit is not verified")
	}
	r.serve()
	browser := r.from(t, outside)
	if status, end, _ := browser.open("https://app.example.com/"); status != 200 || end != "https://app.example.com/" {
		t.Errorf("a browser: %d %s", status, end)
	}
	reload := exec.Command(binary(t), "reload", "--config", "Caddyfile", "--force", "--address", strings.TrimPrefix(r.admin, "http://"))
	reload.Dir = r.Dir
	if output, err := reload.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	browser.want(app, 200, "GET", "https://app.example.com/")
}

// TestE2ERecipeRedis runs the site of docs/recipes/redis.md on two machines.
func TestE2ERecipeRedis(t *testing.T) {
	provider, app, listen, shared := newProvider(t, "staff"), newApp(t, nil), port(t), t.TempDir()
	redis := startRedis(t, listen)
	edits := []string{"localhost:9000", app.address, "https://id.example.com", provider.URL, "10.0.0.5:6379", "127.0.0.1:" + listen, "/srv/shared/caddy", shared}
	one, two := newRecipe(t, "redis", edits...).serve(), newRecipe(t, "redis", edits...).serve()
	const site = "https://app.example.com/"
	browser, second := one.from(t, outside), two.from(t, outside)
	if status, _, _ := browser.open(site); status != 200 {
		t.Fatalf("signing in: %d", status)
	}
	second.client.Jar = browser.client.Jar
	second.want(app, 200, "GET", site)
	list := exec.Command(binary(t), "policy-auth", "session", "list", "--address", strings.TrimPrefix(two.admin, "http://"))
	if output, err := list.CombinedOutput(); err != nil || !strings.Contains(string(output), "alice") {
		t.Errorf("the sessions at the second machine: %v\n%s", err, output)
	}
	one.stop()
	second.want(app, 200, "GET", site)
	redis()
	eventually(t, "without Redis it is 503", func() bool {
		status, header, _ := second.ask("GET", site)
		return status == 503 && header.Get("Retry-After") != ""
	})
}

// TestE2ERecipePocketID checks the files of docs/recipes/pocket-id.md and runs its site:
// the provider is a site of the same Caddy, which reaches it by its public name.
func TestE2ERecipePocketID(t *testing.T) {
	newRecipe(t, "pocket-id").compose(t)
	provider, app := newProvider(t, "family"), newApp(t, nil)
	provider.ClientID = "66666666-7777-8888-9999-000000000000"
	pocketID := strings.TrimPrefix(provider.URL, "http://")
	provider.URL = "https://id.example.com"
	r := newRecipe(t, "pocket-id", "app:80", app.address, "pocket-id:1411", pocketID)
	inside := httptest.NewServer(http.HandlerFunc(r.connect)) // what the alias does in the Compose network
	t.Cleanup(inside.Close)
	data := t.TempDir()
	t.Setenv("XDG_DATA_HOME", data)
	t.Setenv("SSL_CERT_FILE", filepath.Join(data, "caddy/pki/authorities/local/root.crt"))
	t.Setenv("HTTPS_PROXY", inside.URL)
	r.serve()
	const site = "https://app.example.com/"
	r.from(t, outside).want(app, 401, "GET", site)
	browser := r.from(t, outside)
	if status, end, body := browser.open(site); status != 200 || end != site || body != "the application" {
		t.Fatalf("signing in: %d %s %s\n%s", status, end, body, r.logged())
	}
	if seen := app.last(); seen == nil || seen.Header.Get("Remote-User") != "alice" || seen.Header.Get("Remote-Groups") != "family" {
		t.Errorf("the app is told of %v", seen)
	}
	provider.Set(func(p *oidcProvider) { p.Claims["groups"] = []string{"guests"} })
	guest := r.from(t, outside)
	if status, _, _ := guest.open(site); status != 403 {
		t.Errorf("a guest: %d", status)
	}
}
