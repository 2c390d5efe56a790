package policy

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/egress"
)

// protectServer protects a server that counts its connections.
func protectServer(t *testing.T, l net.Listener, at egress.Listener) (connections *atomic.Int64) {
	t.Helper()
	connections = new(atomic.Int64)
	server := &httptest.Server{Listener: l, Config: &http.Server{
		Handler:   http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
		ConnState: func(_ net.Conn, state http.ConnState) { connections.Add(1) },
	}}
	server.Start()
	t.Cleanup(server.Close)
	egress.Protect(func() []egress.Listener { return []egress.Listener{at} })
	t.Cleanup(func() { egress.Protect(func() []egress.Listener { return nil }) })
	return connections
}

// TestS42Send: where http.send is on, it never connects to Caddy's admin endpoint: not
// by an address, a name, a redirect or a socket, with TLS settings or a proxy of the
// environment, in a decision, an explanation, a check or a test.
func TestS42Send(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := netip.MustParseAddrPort(l.Addr().String()).Port()
	connections := protectServer(t, l, egress.Listener{Network: "tcp", Host: "localhost", Port: port})
	admin := ":" + strings.Split(l.Addr().String(), ":")[1]
	redirects := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1"+admin+"/config/", http.StatusFound)
	}))
	defer redirects.Close()
	t.Setenv("HTTP_PROXY", "http://127.0.0.1"+admin)
	tests := map[string]string{
		"the address":  `{"method": "get", "url": "http://127.0.0.1` + admin + `/"}`,
		"a name":       `{"method": "get", "url": "http://localhost` + admin + `/"}`,
		"unspecified":  `{"method": "get", "url": "http://0.0.0.0` + admin + `/"}`,
		"IPv6":         `{"method": "get", "url": "http://[::1]` + admin + `/"}`,
		"mapped":       `{"method": "get", "url": "http://[::ffff:127.0.0.1]` + admin + `/"}`,
		"TLS settings": `{"method": "get", "url": "http://127.0.0.1` + admin + `/", "tls_insecure_skip_verify": true}`,
		"https":        `{"method": "get", "url": "https://127.0.0.1` + admin + `/", "tls_server_name": "x"}`,
		"a redirect":   `{"method": "get", "url": "` + redirects.URL + `/", "enable_redirect": true}`,
		"a post":       `{"method": "post", "url": "http://127.0.0.1` + admin + `/stop", "raw_body": ""}`,
	}
	for name, call := range tests {
		t.Run("S-42 "+name, func(t *testing.T) {
			refusedSend(t, call, connections)
		})
	}
}

// refusedSend evaluates a call of http.send in every way that there is.
func refusedSend(t *testing.T, call string, connections *atomic.Int64) {
	t.Helper()
	dir := newDir(t)
	dir.write("authz_test.rego", "package caddy.authz_test\n\ntest_it if http.send("+call+").status_code == 200\n")
	path := filepath.Dir(dir.write("authz.rego", "package caddy.authz\n\nallow if http.send("+call+").status_code == 200\n"))
	config := Config{Sources: []string{path}, AllowBuiltins: []string{"http.send"}, Timeout: 5 * time.Second}
	set := open(t, config)
	got := set.Decide(t.Context(), asked("/", ""))
	if got.Allow || got.Err == nil || !strings.Contains(got.Err.Error(), "Caddy's admin endpoint") {
		t.Errorf("got %+v", got)
	}
	if _, err := set.Explain(t.Context(), map[string]any{}); err != nil {
		t.Error(err)
	}
	if report, err := Test(t.Context(), config, TestOptions{}); err != nil || report.Passed() {
		t.Errorf("the test passes: %+v %v", report, err)
	}
	_, _ = Check(t.Context(), config, CheckOptions{}) // whatever it finds
	if n := connections.Load(); n > 0 {
		t.Errorf("%d connections", n)
	}
}

// TestS42Socket: a socket is known by its file, whatever path or link leads to it;
// others are reached as ever.
func TestS42Socket(t *testing.T) {
	folder := t.TempDir()
	path, other := filepath.Join(folder, "a"), filepath.Join(folder, "b")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	connections := protectServer(t, l, egress.Listener{Network: "unix", Host: path})
	refusedSend(t, `{"method": "get", "url": "unix://localhost/config/?socket=`+url.QueryEscape(path)+`"}`, connections)
	refusedSend(t, `{"method": "get", "url": "unix://localhost/config/?socket=`+url.QueryEscape(folder+"/./a")+`"}`, connections)
	if l, err = net.Listen("unix", other); err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}}
	server.Start()
	defer server.Close()
	source := newDir(t).write("authz.rego", `package caddy.authz

allow if http.send({"method": "get", "url": "unix://localhost/?socket=`+url.QueryEscape(other)+`"}).status_code == 200
`)
	if got := open(t, Config{Sources: []string{source}, AllowBuiltins: []string{"http.send"}, Timeout: 5 * time.Second}).Decide(t.Context(), asked("/", "")); !got.Allow {
		t.Errorf("another socket: %+v", got)
	}
}
