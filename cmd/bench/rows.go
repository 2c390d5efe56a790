package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
)

// row is one thing that is measured: a site, and the requests to it.
type row struct {
	name  string // short, for files
	label string
	site  string // lines of the Caddyfile, with placeholders of the world
	asks  string // "" or the name of the server that forward_auth asks
	want  int    // the status of every answer
	// request writes the next request, all of it.
	request func(w *world) func() []byte
}

const (
	bare = "bare"
	auth = "auth"
	opa  = "opa"
)

// ours is the handler with tokens and a policy.
const ours = "policy_auth {\n jwt " + issuer + " {\n key_file {DIR}/key.pem\n audience " + audience + "\n }\n %s\n}"

// rows returns everything that is measured. The first is what the others are
// compared with.
func rows() []row {
	rego, tables := fmt.Sprintf(ours, "policies {DIR}/policy"), fmt.Sprintf(ours, "access {DIR}/access.yaml")
	cors := fmt.Sprintf(ours, "policies {DIR}/policy\n cors {\n origins https://app.example.com\n credentials\n }")
	password := "basic {\n user alice {HASH}\n }"
	return []row{
		{bare, "bare Caddy", "", "", 200, same("GET", "/api/v1/orders/42", bearer)},
		{"hit", "policy_auth, both caches hit", rego, "", 200, same("GET", "/api/v1/orders/42", bearer)},
		{"decisions", "policy_auth, every path another one", rego, "", 200, paths(false)},
		{"nothing", "policy_auth, every token and path another one", rego, "", 200, paths(true)},
		{"denied", "policy_auth, denied", rego, "", 403, same("DELETE", "/api/v1/orders/42", bearer)},
		{"preflight", "policy_auth, preflight", cors, "", 204, same("OPTIONS", "/api/v1/orders/42", preflight)},
		{"table", "policy_auth, access table", tables, "", 200, same("GET", "/api/v1/orders/42", bearer)},
		{"basic", "policy_auth, a password", "policy_auth {\n" + password + "\n}", "", 200, same("GET", "/api/v1/orders/42", basic)},
		{"basic_auth", "basic_auth with its hash cache", "basic_auth {\n alice {HASH}\n}", "", 200, same("GET", "/api/v1/orders/42", basic)},
		{"naive", "verify and rego.EvalInput each time", "naive * {DIR}/key.pem {DIR}/policy", "", 200, same("GET", "/api/v1/orders/42", bearer)},
		{"forward_auth", "forward_auth to a small Go server", "forward_auth {AUTH} {\n uri /\n}", auth, 200, same("GET", "/api/v1/orders/42", bearer)},
		{"forward_auth_opa", "forward_auth to an OPA server", "forward_auth {OPA} {\n uri /health\n}", opa, 200, same("GET", "/api/v1/orders/42", bearer)},
	}
}

// pick returns the rows of a run.
func pick(o options) []row {
	return slices.DeleteFunc(rows(), func(r row) bool {
		return o.opa == "" && r.asks == opa || o.only != "" && r.name != o.only && r.name != bare
	})
}

// bearer, basic and preflight are what a request has besides.
func bearer(w *world) string { return "Authorization: Bearer " + w.token(0) + "\r\n" }

func basic(*world) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("alice:"+password)) + "\r\n"
}

func preflight(*world) string {
	return "Origin: https://app.example.com\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: authorization,content-type\r\n"
}

// same makes one request again and again.
func same(method, path string, more func(*world) string) func(*world) func() []byte {
	return func(w *world) func() []byte {
		request := []byte(text(method, path, more(w)))
		return func() []byte { return request }
	}
}

// serial numbers what is to be different each time, in all connections.
var serial atomic.Int64

// paths makes requests for one path after another, each with a token of its own
// if so wanted.
func paths(tokens bool) func(*world) func() []byte {
	return func(w *world) func() []byte {
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

// text writes a request as a browser's script sends it, with twelve headers.
func text(method, path, more string) string {
	return strings.Join([]string{
		method + " " + path + " HTTP/1.1", "Host: api.example.com", "User-Agent: Mozilla/5.0 (X11; Linux x86_64) bench/1",
		"Accept: application/json", "Accept-Language: en-GB,en;q=0.8", "Accept-Encoding: identity", "Referer: https://app.example.com/orders",
		"Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: cors", "Sec-Fetch-Site: same-site", "Cache-Control: no-cache", "X-Tenant: north",
	}, "\r\n") + "\r\n" + more + "\r\n"
}
