//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
	"github.com/policyauth/caddy-policy-auth/test/testenv"
)

// recipeFiles are the files that the blocks of a recipe hold, by the language and the
// word after it.
var recipeFiles = map[string]string{
	"caddyfile ": "Caddyfile", "yaml access": "access.yaml", "yaml users": "users.yaml", "yaml keys": "keys.yaml", "yaml compose": "compose.yaml",
	"yaml workflow": "workflow.yaml", "yaml app": "app.yaml", "rego authz": "policies/authz.rego", "rego tests": "policies/authz_test.rego",
	"ini unit": "policy-auth.service", "ini app": "app.ini", "dockerfile ": "Dockerfile", "js ": "files/api.js",
}

// recipe is a page of docs/recipes whose site runs on loopback, with its own host names.
type recipe struct {
	*world
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
	w := &world{&testenv.Env{T: t, Dir: t.TempDir()}}
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(string(text), edits[i]) {
			t.Errorf("%s does not have %q", page, edits[i])
		}
	}
	r := &recipe{world: w, port: port(t), plainPort: port(t)}
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
	r.world.Write("Caddyfile", "{\n"+options+text)
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

// visitor is a client of a recipe's site. Its address is one of this machine.
type visitor struct {
	t      *testing.T
	client *http.Client
}

// from returns a visitor with an empty cookie jar whose connections come from an
// address, such as 127.0.0.2 for one in the local network.
func (r *recipe) from(t *testing.T, address string) *visitor {
	t.Helper()
	return newVisitor(t, address, r.port)
}

// newVisitor returns a visitor for whom every host is at a port of this machine.
func newVisitor(t *testing.T, address, port string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the certificate is of Caddy's own authority
		DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
			if host, _, _ := net.SplitHostPort(to); net.ParseIP(host) == nil {
				to = "127.0.0.1:" + port
			}
			return dialer.DialContext(ctx, network, to)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &visitor{t, &http.Client{
		Jar: jar, Transport: transport, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// ask sends a request, whose certificate may not be there yet, and returns status,
// header and body.
func (v *visitor) ask(method, address string, header ...string) (int, http.Header, string) {
	v.t.Helper()
	return v.send(method, address, "", header...)
}

func (v *visitor) send(method, address, body string, header ...string) (int, http.Header, string) {
	v.t.Helper()
	var answer *http.Response
	eventually(v.t, address+" is answered", func() bool {
		r, err := http.NewRequest(method, address, strings.NewReader(body))
		if err != nil {
			v.t.Fatal(err)
		}
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Add(header[i], header[i+1])
		}
		answer, err = v.client.Do(r)
		return err == nil
	})
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(content)
}

// page is the Accept and Sec-Fetch-Mode of a browser that opens a page.
var page = []string{"Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none"}

// open opens a page as a browser does, follows redirects and returns where it ends.
func (v *visitor) open(address string) (status int, end, body string) {
	v.t.Helper()
	for range 10 {
		code, header, content := v.ask("GET", address, page...)
		to, err := url.Parse(header.Get("Location"))
		if code < 300 || code > 399 || err != nil {
			return code, address, content
		}
		base, err := url.Parse(address)
		if err != nil {
			v.t.Fatal(err)
		}
		address = base.ResolveReference(to).String()
	}
	v.t.Fatal("more than ten redirects, the last to " + address)
	return 0, "", ""
}

// want asks, and holds the status and whether the application was reached.
func (v *visitor) want(a *app, status int, method, address string, header ...string) http.Header {
	v.t.Helper()
	a.last()
	got, answer, body := v.ask(method, address, header...)
	if reached := a.last() != nil; got != status || reached != (status < 300) {
		v.t.Errorf("%s %s %v: %d, want %d; the application was reached: %v\n%s", method, address, header, got, status, reached, body)
	}
	return answer
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

// upgrade asks for a WebSocket and holds the status; an open one has to speak.
func (v *visitor) upgrade(status int, address string, header ...string) {
	v.t.Helper()
	to, err := url.Parse(address)
	if err != nil {
		v.t.Fatal(err)
	}
	r := &http.Request{Method: "GET", URL: to, Host: to.Host, Header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != status {
		v.t.Errorf("WebSocket %s %v: %d, want %d", address, header, answer.StatusCode, status)
	} else if status == http.StatusSwitchingProtocols {
		if text, err := readFrame(answer.Body); err != nil || !strings.HasPrefix(text, "hello") {
			v.t.Errorf("WebSocket %s: %q %v", address, text, err)
		}
	}
}

// rclone runs a command of rclone for a WebDAV server of the recipe. Its connections go
// through a proxy that leads every host to the recipe's Caddy.
func (r *recipe) rclone(t *testing.T, command, address, user, password string) string {
	t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(r.connect))
	t.Cleanup(proxy.Close)
	obscured, err := exec.Command("rclone", "obscure", password).Output()
	if err != nil {
		t.Fatal(err)
	}
	remote := ":webdav,url='" + address + "',vendor=other,user=" + user + ",pass=" + strings.TrimSpace(string(obscured)) + ":"
	cmd := exec.Command("rclone", command, remote, "--no-check-certificate", "--retries", "1", "--config", filepath.Join(r.Dir, "rclone.conf"))
	cmd.Env = append(os.Environ(), "HTTPS_PROXY="+proxy.URL)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("rclone %s: %v\n%s", command, err, output)
	}
	return string(output)
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
