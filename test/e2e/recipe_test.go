//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
	"github.com/policyauth/caddy-policy-auth/test/testenv"
)

// recipeFiles are the files that the blocks of a recipe hold, by the language and the
// word after it.
var recipeFiles = map[string]string{
	"caddyfile ": "Caddyfile", "yaml access": "access.yaml", "yaml users": "users.yaml", "yaml keys": "keys.yaml", "yaml compose": "compose.yaml",
	"yaml workflow": "workflow.yaml", "yaml app": "app.yaml", "rego authz": "policies/authz.rego", "rego tests": "policies/authz_test.rego",
	"ini unit": "policy-auth.service", "ini app": "app.ini", "dockerfile ": "Dockerfile", "sh authority": "authority.sh", "sh issue": "issue.sh", "js ": "files/api.js",
}

// recipe is a page of docs/recipes whose site runs on loopback, with its own host names.
type recipe struct {
	*env
	*server
	port, plainPort string // of https and http
}

// newRecipe writes the files of a page to a folder. Edits are pairs of a text in them
// and what stands for it here, such as the address of an upstream; each has to occur.
// HTTPS_PORT in them is the port of https.
func newRecipe(t *testing.T, page string, edits ...string) *recipe {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("docs", "recipes", page+".md"))
	if err != nil {
		t.Fatal(err)
	}
	w := &env{&testenv.Env{T: t, Dir: t.TempDir()}}
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(string(text), edits[i]) {
			t.Errorf("%s does not have %q", page, edits[i])
		}
	}
	r := &recipe{env: w, port: port(t), plainPort: port(t)}
	edit := strings.NewReplacer(edits...)
	for _, block := range testenv.BlockForm.FindAllStringSubmatch(string(text), -1) {
		if name := recipeFiles[block[1]+" "+block[2]]; name != "" {
			w.Write(name, strings.NewReplacer("/etc/caddy/", w.Dir+"/", "HTTPS_PORT", r.port).Replace(edit.Replace(block[3])))
		}
	}
	return r
}

// serve checks the format of the Caddyfile, adapts, validates and runs it. Certificates
// are Caddy's own, and only the loopback interface is listened on.
func (r *recipe) serve() *recipe {
	r.T.Helper()
	name := filepath.Join(r.Dir, "Caddyfile")
	content, err := os.ReadFile(name)
	if err != nil {
		r.T.Fatal(err)
	}
	formatted := exec.Command(binary(r.T), "fmt", "-")
	formatted.Stdin = bytes.NewReader(content)
	if output, err := formatted.Output(); err != nil || !bytes.Equal(bytes.TrimSpace(output), bytes.TrimSpace(content)) {
		r.T.Errorf("the Caddyfile is not formatted (%v):\n%s", err, output)
	}
	admin := "127.0.0.1:" + port(r.T)
	options := "\tadmin " + admin + "\n\tdefault_bind 127.0.0.1\n\thttp_port " + r.plainPort + "\n\thttps_port " + r.port + "\n\tlocal_certs\n\tskip_install_trust\n"
	text, global := strings.CutPrefix(string(content), "{\n")
	if !global {
		text = "}\n" + text
	}
	r.env.Write("Caddyfile", "{\n"+options+text)
	adapt := exec.Command(binary(r.T), "adapt", "--config", name, "--validate")
	adapt.Dir = r.Dir
	if output, err := adapt.CombinedOutput(); err != nil {
		r.T.Fatalf("%v\n%s", err, output)
	}
	r.server = start(r.T, r.Dir, "Caddyfile", admin)
	return r
}

// app is what stands for an application: it answers 200 with its name, and remembers
// the requests that reach it.
type app struct {
	address string
	handler http.HandlerFunc
	mu      sync.Mutex
	seen    []*http.Request
}

// newApp starts an application. Its handler may be nil.
func newApp(t *testing.T, handler http.HandlerFunc) *app {
	a := &app{handler: handler}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	a.address = strings.TrimPrefix(server.URL, "http://")
	return a
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.seen = append(a.seen, r.Clone(context.Background()))
	a.mu.Unlock()
	if a.handler != nil {
		a.handler(w, r)
		return
	}
	_, _ = io.WriteString(w, "the application")
}

// last returns the latest request that reached the application since the last call, or nil.
func (a *app) last() *http.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.seen) == 0 {
		return nil
	}
	r := a.seen[len(a.seen)-1]
	a.seen = nil
	return r
}

// newProvider returns a provider whose client is called app, with the groups of its user.
func newProvider(t *testing.T, groups ...string) *oidctest.Provider {
	t.Helper()
	provider := oidctest.New(t)
	provider.ClientID = "app"
	provider.Claims["groups"] = groups
	t.Setenv("OIDC_SECRET", provider.ClientSecret)
	return provider
}

// oidcProvider is what changes a provider.
type oidcProvider = oidctest.Provider

// credentials returns the Authorization of a name and a password.
func credentials(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

// socketOr answers a request for a WebSocket as an application does that has one, and
// any other with a handler, or 200.
func socketOr(handler http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
			webSocket(w, r)
		case handler != nil:
			handler(w, r)
		default:
			_, _ = io.WriteString(w, "the application")
		}
	}
}

// remote returns what rclone calls a WebDAV server.
func remote(t *testing.T, address, user, password string) string {
	t.Helper()
	obscured, err := exec.Command("rclone", "obscure", password).Output()
	if err != nil {
		t.Fatal(err)
	}
	return ":webdav,url='" + address + "',vendor=other,user=" + user + ",pass=" + strings.TrimSpace(string(obscured)) + ":"
}

// rclone runs rclone. Its connections go through a proxy that leads every host to the
// recipe's Caddy.
func (r *recipe) rclone(t *testing.T, args ...string) (string, error) {
	t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(r.connect))
	defer proxy.Close()
	cmd := exec.Command("rclone", append(args, "--no-check-certificate", "--retries", "1", "--low-level-retries", "1", "--config", filepath.Join(r.Dir, "rclone.conf"))...)
	cmd.Dir = r.Dir
	cmd.Env = append(os.Environ(), "HTTPS_PROXY="+proxy.URL)
	output, err := cmd.CombinedOutput()
	return string(output), err
}

// connect is a proxy for CONNECT that leads every host to the recipe's Caddy.
func (r *recipe) connect(w http.ResponseWriter, _ *http.Request) {
	to, err := net.Dial("tcp", "127.0.0.1:"+r.port)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer to.Close()
	from, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer from.Close()
	_, _ = io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(to, from) }()
	_, _ = io.Copy(from, to)
}
