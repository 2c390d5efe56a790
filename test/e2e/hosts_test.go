//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestE2EHosts: T-15, T-22, T-56. However admin.example.com is spelt, over each
// version of HTTP, the rule for it decides, or the request is refused.
func TestE2EHosts(t *testing.T) {
	w := newEnv(t)
	w.Write("hosts.yaml", "rules:\n  - hosts: [admin.example.com, '*.internal.example']\n    allow: [{roles: [admin]}]\n  - allow: [{anyone: true}]\n")
	w.Write("none.yaml", "rules:\n  - allow: [{anyone: true}]\n")
	site := func(table string) string {
		return "policy_auth {\n basic {\n users DIR/users.yaml\n }\n access DIR/" + table + "\n }\n respond \"served {host}\""
	}
	_, addresses := w.serveTLS("", site("hosts.yaml"), site("none.yaml"))
	guarded := []string{
		"admin.example.com", "ADMIN.example.com", "admin.example.com.", "admin.example.com:443", "admin.example.com:80", "Admin.Example.Com.:8443", "admin.example.com:",
		"a.internal.example", "A.INTERNAL.example.", "a.b.internal.example",
		"admin.example.com:80:80", "admin.example.com..", ".admin.example.com", "admin..example.com", "admin%2eexample.com", "admin.example.com:x", "x@admin.example.com",
		"admin.example.com/", "admin.example.com,b.example", "admin.example.com%00", "[admin.example.com]", "..", "a..internal.example",
	}
	for _, wire := range wires {
		for _, host := range guarded {
			got, err := wire.send(addresses[0], query{"GET", "/", host, nil})
			if err == nil && (got.status < 400 || got.status >= 500 || strings.Contains(got.body, "served")) {
				t.Errorf("%s, host %q: %d %q", wire.name, host, got.status, got.body)
			}
		}
		for _, host := range []string{"open.example.com", "admin.example.com.evil.example", "xadmin.example.com", "127.0.0.1", "[::1]:443", "internal.example"} {
			if got, err := wire.send(addresses[0], query{"GET", "/", host, nil}); err != nil || got.status != 200 {
				t.Errorf("%s, host %q: %d %v", wire.name, host, got.status, err)
			}
		}
		if got, err := wire.send(addresses[0], query{"GET", "/", "ADMIN.example.com.", as("alice")}); err != nil || got.status != 200 {
			t.Errorf("%s, the admin: %d %v", wire.name, got.status, err)
		}
	}
	// without a host no rule for one fits, and the upstream takes one of its own
	for _, version := range []string{"HTTP/1.0", "HTTP/1.1"} {
		if got, err := overVersion(version, addresses[0], query{"GET", "/", "", []string{"Connection", "close"}}); err != nil || got.status != 400 {
			t.Errorf("%s without a host: %d %v", version, got.status, err)
		}
	}
	if got, err := overVersion("HTTP/1.0", addresses[1], query{"GET", "/", "", nil}); err != nil || got.status != 200 {
		t.Errorf("without a host where no rule names one: %d %v", got.status, err)
	}
	// an absolute target names the host, whatever the Host line says (RFC 9112, section 3.2.2)
	for target, want := range map[string]int{"https://admin.example.com/": 401, "https://open.example.com/": 200, "https://u@admin.example.com/": 401} {
		if got, err := overHTTP1(addresses[0], query{"GET", target, "open.example.com", nil}); err == nil && got.status != want && got.status != 400 {
			t.Errorf("%s: %d", target, got.status)
		}
	}
	if got, err := overHTTP1(addresses[0], query{"GET", "/", "open.example.com", []string{"Host", "admin.example.com"}}); err == nil && got.status != 400 {
		t.Errorf("two hosts: %d", got.status)
	}
}

// TestE2EMethods: T-23, T-72. Methods are exact, an override has to be wanted
// too, and what MOVE and COPY write to is judged.
func TestE2EMethods(t *testing.T) {
	w := newEnv(t)
	w.Write("methods.yaml", "rules:\n  - paths: [/admin/*]\n    allow: [{roles: [admin]}]\n  - paths: [/read/*]\n    allow: [{anyone: true, methods: [GET, POST]}]\n  - allow: [{authenticated: true}]\n")
	_, addresses := w.serveTLS("", "policy_auth {\n basic {\n users DIR/users.yaml\n }\n access DIR/methods.yaml\n }\n respond served")
	tests := []struct {
		method, target string
		header         []string
		want           int
	}{
		{"GET", "/read/x", nil, 200},
		{"HEAD", "/read/x", nil, 200},
		{"get", "/read/x", nil, 401},
		{"Get", "/read/x", nil, 401},
		{"GETX", "/read/x", nil, 401},
		{"TRACE", "/read/x", nil, 401},
		{"DELETE", "/read/x", nil, 401},
		{"POST", "/read/x", []string{"X-HTTP-Method-Override", "DELETE"}, 401},
		{"POST", "/read/x", []string{"X-HTTP-Method-Override", "get"}, 200},
		{"POST", "/read/x?_method=delete", nil, 401},
		{"MOVE", "/mine/x", append(as("bob"), "Destination", "/mine/y"), 200},
		{"MOVE", "/mine/x", append(as("bob"), "Destination", "/admin/y"), 403},
		{"move", "/mine/x", append(as("bob"), "Destination", "/admin/y"), 403},
		{"COPY", "/mine/x", append(as("bob"), "Destination", "https://localhost/%61dmin/y"), 403},
		{"COPY", "/mine/x", append(as("bob"), "Destination", "/mine/..%2fadmin/y"), 400},
		{"COPY", "/mine/x", append(as("bob"), "Destination", "/mine/../admin/y"), 400},
		{"COPY", "/mine/x", append(as("bob"), "Destination", "//admin/y"), 400},
		{"COPY", "/mine/x", append(as("bob"), "Destination", "/admin;x/y"), 403},
		{"COPY", "/mine/x", append(as("bob"), "Destination", "/a", "Destination", "/admin/y"), 400},
		{"COPY", "/mine/x", append(as("bob"), "Destination", "https:admin/y"), 400},
		{"COPY", "/mine/x", append(as("alice"), "Destination", "/admin/y"), 200},
	}
	for _, wire := range wires {
		for _, test := range tests {
			if test.method == "TRACE" && wire.name != "h1" {
				continue // other clients may not even send it
			}
			got, err := wire.send(addresses[0], query{test.method, test.target, "localhost", test.header})
			if err != nil || got.status != test.want {
				t.Errorf("%s %s %s %q: %d %v, want %d", wire.name, test.method, test.target, test.header, got.status, err, test.want)
			}
		}
	}
	if got, err := overHTTP1(addresses[0], query{"CONNECT", "localhost:443", "localhost:443", nil}); err == nil && got.status == 200 {
		t.Errorf("CONNECT: %d", got.status)
	}
}

// seen is what a policy tells a client that it has seen.
const seen = `package caddy.authz

allow := {"allow": true, "response_headers_to_add": {"X-Seen": json.marshal({
	"client": input.client, "scheme": input.request.scheme, "host": input.request.host, "path": input.request.path, "rewritten": input.request.rewritten_path,
	"segments": input.request.segments, "query": input.request.query, "query_flags": input.request.query_flags, "headers": object.keys(input.request.headers),
})}}
`

// view is what seen says.
type view struct {
	Client struct {
		IP                 string
		TrustedProxy       bool `json:"trusted_proxy"`
		ForwardedUntrusted bool `json:"forwarded_untrusted"`
	}
	Scheme, Host, Path, Rewritten string
	Segments, Headers             []string
	Query                         map[string][]string
	QueryFlags                    []string `json:"query_flags"`
}

func look(t *testing.T, wire wire, address string, q query) (view, answer) {
	t.Helper()
	got, err := wire.send(address, q)
	if err != nil || got.status != 200 {
		t.Fatalf("%s %q: %d %v", wire.name, q.target, got.status, err)
	}
	var v view
	if err := json.Unmarshal([]byte(got.header.Get("X-Seen")), &v); err != nil {
		t.Fatal(err)
	}
	return v, got
}

// TestE2EForwarded: T-24, T-25, T-27, T-56, T-73. What a stranger says about where a
// request comes from or goes to reaches no decision and no upstream; what a
// trusted proxy says counts, as Caddy has it.
func TestE2EForwarded(t *testing.T) {
	forwarded := []string{
		"X-Forwarded-For", "192.168.1.7", "X-Forwarded-Proto", "http", "X-Forwarded-Host", "evil.example", "X-Forwarded-Uri", "/public", "X-Forwarded-Method", "GET",
		"X-Forwarded-Prefix", "/x", "X-Forwarded-Port", "1", "Forwarded", "for=192.168.1.7;proto=http;host=evil.example", "X-Original-Url", "/admin", "X-Rewrite-Url", "/admin",
		"X_Forwarded_For", "192.168.1.8", "X-Real-Ip", "192.168.1.9", "X_Auth_User", "root", "X.Auth.User", "root", "X-Auth-User", "root", "X!Auth!User", "root",
	}
	w := newEnv(t)
	w.Write("p/authz.rego", seen)
	w.Write("lan.yaml", "networks: {lan: [192.168.0.0/16, 127.0.0.0/8]}\nrules:\n  - allow: [{networks: [lan]}]\n")
	var upstream http.Header
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { upstream = r.Header.Clone() }))
	defer backend.Close()
	site := "policy_auth {\n policies DIR/p\n identity_headers {\n X-Auth-User username\n }\n }\n reverse_proxy " + strings.TrimPrefix(backend.URL, "http://")
	lan := "policy_auth {\n access DIR/lan.yaml\n }\n respond served"
	for name, global := range map[string]string{"a stranger": "", "a trusted proxy": "servers {\n trusted_proxies static 127.0.0.1/32\n }"} {
		trusted := global != ""
		_, addresses := w.serveTLS(global, site, lan)
		for _, wire := range wires {
			t.Run(name+" "+wire.name, func(t *testing.T) {
				v, _ := look(t, wire, addresses[0], query{"GET", "/x", "localhost", forwarded})
				wantIP := map[bool]string{false: "127.0.0.1", true: "192.168.1.7"}[trusted]
				if v.Client.IP != wantIP || v.Client.TrustedProxy != trusted || v.Client.ForwardedUntrusted == trusted || v.Scheme != "https" || v.Host != "localhost" || v.Path != "/x" {
					t.Errorf("the policy sees %+v", v)
				}
				for _, header := range v.Headers {
					if !trusted && (strings.Contains(header, "forwarded") || strings.HasPrefix(header, "x-original") || strings.HasPrefix(header, "x-rewrite")) {
						t.Errorf("the policy sees %s", header)
					}
				}
				for header, lines := range upstream {
					folded := strings.NewReplacer("_", "-", ".", "-", "!", "-").Replace(strings.ToLower(header))
					if folded == "x-auth-user" || !trusted && (folded == "x-original-url" || folded == "x-rewrite-url") {
						t.Errorf("the upstream gets %s: %q", header, lines)
					}
				}
				want := map[bool]int{false: 403, true: 200}[trusted] // strangers who say anything are not local
				if got, err := wire.send(addresses[1], query{"GET", "/x", "localhost", forwarded}); err != nil || got.status != want {
					t.Errorf("a local network: %d %v, want %d", got.status, err, want)
				}
				if got, err := wire.send(addresses[1], query{"GET", "/x", "localhost", nil}); err != nil || got.status != 200 {
					t.Errorf("a local network, said by nobody: %d %v", got.status, err)
				}
			})
		}
	}
}

// TestE2ERewrites: T-19, T-21, T-55. A policy sees the public path and the one
// that the next handler gets, and no parameter of the query is lost.
func TestE2ERewrites(t *testing.T) {
	w := newEnv(t)
	w.Write("p/authz.rego", seen)
	handler := "policy_auth {\n policies DIR/p\n }\n"
	tests := []struct{ site, target, path, rewritten string }{
		{handler + "respond ok", "/a/b", "/a/b", "/a/b"},
		{handler + "uri strip_prefix /a\n respond ok", "/a/b", "/a/b", "/b"},
		{handler + "rewrite /a/* /new{uri}\n respond ok", "/a/b", "/a/b", "/new/a/b"},
		{"route {\n" + handler + "rewrite * /new\n respond ok\n }", "/a/b", "/a/b", "/a/b"},
		{"handle_path /a/* {\n" + handler + "respond ok\n }", "/a/b", "/a/b", "/b"},
		{handler + "uri replace b c\n respond ok", "/a/b", "/a/b", "/a/c"},
	}
	var sites []string
	for _, test := range tests {
		sites = append(sites, test.site)
	}
	_, addresses := w.serveTLS("", sites...)
	for i, test := range tests {
		for _, wire := range wires {
			v, _ := look(t, wire, addresses[i], query{"GET", test.target, "localhost", nil})
			if v.Path != test.path || v.Rewritten != test.rewritten {
				t.Errorf("%s %q: path %q, rewritten %q", wire.name, test.site, v.Path, v.Rewritten)
			}
		}
	}
	for _, wire := range wires {
		v, _ := look(t, wire, addresses[0], query{"GET", "/a?x=1;admin=1&b=%zz&b=2", "localhost", nil})
		if got := fmt.Sprint(v.Query, v.QueryFlags); got != "map[b:[%zz 2] x:[1;admin=1]] [semicolon bad_escape]" {
			t.Errorf("%s: %s", wire.name, got)
		}
	}
}
