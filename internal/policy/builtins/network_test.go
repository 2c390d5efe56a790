package builtins

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

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/tester"

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
// environment, in an evaluation or a test.
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

// refusedSend evaluates a call of http.send in a query and in a test.
func refusedSend(t *testing.T, call string, connections *atomic.Int64) {
	t.Helper()
	source := "package caddy.authz\n\nallow if http.send(" + call + ").status_code == 200\n"
	if allow, err := evaluate(t, source, nil, true); allow || err == nil || !strings.Contains(err.Error(), "Caddy's admin endpoint") {
		t.Errorf("got %v, %v", allow, err)
	}
	module := ast.MustParseModuleWithOpts("package caddy.authz_test\n\ntest_it if http.send("+call+").status_code == 200\n", ast.ParserOptions{RegoVersion: ast.RegoV1})
	results, err := tester.NewRunner().RaiseBuiltinErrors(true).SetModules(map[string]*ast.Module{"authz_test.rego": module}).RunTests(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for result := range results {
		if result.Pass() {
			t.Error("the test passes")
		}
	}
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
	source := `package caddy.authz

allow if http.send({"method": "get", "url": "unix://localhost/?socket=` + url.QueryEscape(other) + `"}).status_code == 200
`
	if allow, err := evaluate(t, source, nil, true); !allow {
		t.Errorf("another socket: %v", err)
	}
}

// TestSchemasFetchNothing: T-49, no $ref of a schema is fetched, not of one that is
// made from input either.
func TestSchemasFetchNothing(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write([]byte(`{"type": "string"}`))
	}))
	defer server.Close()
	reference := `{"$ref": "` + server.URL + `/schema.json"}`
	for name, rule := range map[string]string{
		"verify":           "allow := json.verify_schema(" + reference + ")[0]",
		"match":            "allow := json.match_schema(\"\\\"x\\\"\", " + reference + ")[0]",
		"match, made late": "allow := json.match_schema(\"\\\"x\\\"\", {input.config.x: \"" + server.URL + "/s\"})[0]",
	} {
		if allow, err := evaluate(t, "package caddy.authz\n\n"+rule+"\n", "$ref", true); allow || asked.Load() > 0 {
			t.Errorf("%s: %v, %v, %d requests", name, allow, err, asked.Load())
		}
	}
}
