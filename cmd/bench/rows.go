//go:build linux

package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
)

// row is a measurement: a site and the requests to it.
type row struct {
	name  string // short, for files
	label string
	site  string // lines of the Caddyfile, with placeholders of the env
	asks  string // "" or the name of the server that forward_auth asks
	want  int    // the status of every response
	// request returns a function that returns the next request.
	request func(w *env) func() []byte
	// base is the name of the row that it is compared with; "" is bare Caddy.
	base string
	// program is another build of Caddy, of which site is all of the Caddyfile, with
	// {PORT} for the port.
	program string
	// signsIn says that each request has the cookie of a session.
	signsIn bool
}

const (
	bare = "bare"
	auth = "auth"
	opa  = "opa"
)

// peer reads a row of another build, name=program,Caddyfile. It is sent the same requests
// as bare Caddy and has to answer them with 200.
func peer(text string) (row, error) {
	name, rest, _ := strings.Cut(text, "=")
	program, config, ok := strings.Cut(rest, ",")
	if !ok || name == "" || program == "" {
		return row{}, fmt.Errorf("want name=program,Caddyfile and not %q", text)
	}
	site, err := os.ReadFile(config)
	return row{name: name, label: name, site: string(site), want: http.StatusOK, request: same("GET", "/api/v1/orders/42", bearer), program: program}, err
}

// ours is the configuration of policy_auth with tokens and one more line.
const ours = "policy_auth {\n jwt " + issuer + " {\n key_file {DIR}/key.pem\n audience " + audience + "\n }\n %s\n}"

// rows returns all measurements. The others are compared with the first.
func rows() []row {
	rego, tables := fmt.Sprintf(ours, "policies {DIR}/policy"), fmt.Sprintf(ours, "access {DIR}/access.yaml")
	cors := fmt.Sprintf(ours, "policies {DIR}/policy\n cors {\n origins https://app.example.com\n credentials\n }")
	three := fmt.Sprintf(ours, "policies {DIR}/three")
	password := "basic {\n user alice {HASH}\n }"
	one, every, method := same("GET", "/api/v1/orders/42", bearer), paths(false), same("DELETE", "/api/v1/orders/42", bearer)
	const log = "log {\n output file %s.log\n}\n"
	return []row{
		{name: bare, label: "bare Caddy", want: 200, request: one},
		{name: "table", label: "policy_auth, access table", site: tables, want: 200, request: one},
		{name: "table_paths", label: "policy_auth, access table, a new path each time", site: tables, want: 200, request: every},
		{name: "hit", label: "policy_auth, Rego, cached decision", site: rego, want: 200, request: one},
		{name: "three", label: "policy_auth, Rego with three conditions, a new path each time", site: three, want: 200, request: every},
		{name: "decisions", label: "policy_auth, Rego with nine rules, a new path each time", site: rego, want: 200, request: every},
		{name: "nothing", label: "policy_auth, a new token and path each time", site: rego, want: 200, request: paths(true)},
		{name: "basic", label: "policy_auth, basic", site: "policy_auth {\n" + password + "\n}", want: 200, request: same("GET", "/api/v1/orders/42", basic)},
		{name: "key", label: "policy_auth, api_key", site: "policy_auth {\n api_key {\n keys {DIR}/keys.yaml\n }\n}", want: 200, request: same("GET", "/api/v1/orders/42", apiKey)},
		{name: "session", label: "policy_auth, session", site: "policy_auth {\n insecure_http\n login form {\n users {DIR}/users.yaml\n }\n}", want: 200, request: one, signsIn: true},
		{name: "preflight", label: "policy_auth, preflight", site: cors, want: 204, request: same("OPTIONS", "/api/v1/orders/42", preflight)},
		{name: "denied", label: "policy_auth, denied", site: fmt.Sprintf(log, "denied") + rego, want: 403, request: method, base: "respond"},
		{name: "respond", label: "respond 403 with a body of the same length", site: fmt.Sprintf(log, "respond") + "respond \"" + strings.Repeat("x", deniedLength) + "\" 403", want: 403, request: method},
		{name: "basic_auth", label: "basic_auth with its hash cache", site: "basic_auth {\n alice {HASH}\n}", want: 200, request: same("GET", "/api/v1/orders/42", basic)},
		{name: "naive", label: "naive handler: verify and rego.EvalInput each time", site: "naive * {DIR}/key.pem {DIR}/policy", want: 200, request: one},
		{name: "forward_auth", label: "forward_auth to a small Go server", site: "forward_auth {AUTH} {\n uri /\n}", asks: auth, want: 200, request: one},
		{name: "forward_auth_opa", label: "forward_auth to an OPA server", site: "forward_auth {OPA} {\n uri /health\n}", asks: opa, want: 200, request: one},
	}
}

// deniedLength is the approximate length of the problem document of a denial, in bytes.
const deniedLength = 280

// pick returns the rows of a run.
func pick(o options) []row {
	all, base := append(rows(), o.peers...), ""
	for _, r := range all {
		if r.name == o.only {
			base = r.base
		}
	}
	return slices.DeleteFunc(all, func(r row) bool {
		return o.opa == "" && r.asks == opa || o.only != "" && r.name != o.only && r.name != bare && r.name != base
	})
}

// bearer, basic, apiKey and preflight return headers of a request.
func bearer(w *env) string { return "Authorization: Bearer " + w.usual + "\r\n" }

func basic(*env) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("alice:"+password)) + "\r\n"
}

func apiKey(*env) string { return "X-Api-Key: " + key + "\r\n" }

func preflight(*env) string {
	return "Origin: https://app.example.com\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: authorization,content-type\r\n"
}

// same returns the same request each time.
func same(method, path string, more func(*env) string) func(*env) func() []byte {
	return func(w *env) func() []byte {
		request := []byte(text(method, path, more(w)))
		return func() []byte { return request }
	}
}

// serial numbers requests and tokens, over all connections.
var serial atomic.Int64

// paths returns a request with a new path each time, and with a new token if tokens is true.
func paths(tokens bool) func(*env) func() []byte {
	return func(w *env) func() []byte {
		more := bearer(w)
		return func() []byte {
			n := serial.Add(1)
			if tokens {
				more = "Authorization: Bearer " + w.token(n) + "\r\n"
			}
			return []byte(text(http.MethodGet, fmt.Sprintf("/api/v1/orders/%d", n), more))
		}
	}
}

// host is the host of all requests.
const host = "api.example.com"

// text writes a request as a browser's script sends it, with twelve headers.
func text(method, path, more string) string {
	return strings.Join([]string{
		method + " " + path + " HTTP/1.1", "Host: " + host, "User-Agent: Mozilla/5.0 (X11; Linux x86_64) bench/1",
		"Accept: application/json", "Accept-Language: en-GB,en;q=0.8", "Accept-Encoding: identity", "Referer: https://app.example.com/orders",
		"Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: cors", "Sec-Fetch-Site: same-site", "Cache-Control: no-cache", "X-Tenant: north",
	}, "\r\n") + "\r\n" + more + "\r\n"
}
