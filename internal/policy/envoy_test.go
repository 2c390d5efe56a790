package policy

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// envoySet opens a policy of opa-envoy-plugin.
func envoySet(t *testing.T, rego string) *Engine {
	t.Helper()
	return open(t, Config{Sources: []string{policytest.NewDir(t).Write("authz.rego", rego)}, OPAEnvoy: true, Timeout: time.Minute})
}

// called is a request as a server has it.
func called(method, target, body string, header ...string) Input {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	facts := request.Metadata{ID: func() string { return "id" }, Time: time.Unix(1700000000, 5), ClientIP: "192.0.2.7", PeerIP: "192.0.2.7"}
	return Input{Request: request.New(r, facts, new(request.Config)), Identity: authenticator.Anonymous(), Config: NewConstants(nil), Body: request.BodyLimits{Size: 1 << 10, Values: 100, Depth: 8}}
}

// TestEnvoyDocument: the document of opa-envoy-plugin, field by field.
func TestEnvoyDocument(t *testing.T) {
	tests := map[string]string{
		`input.attributes.request.http.method`:                             `"POST"`,
		`input.attributes.request.http.path`:                               `"/api/a%20b/?x=1&x=2"`,
		`input.attributes.request.http.host`:                               `"example.com"`,
		`input.attributes.request.http.scheme`:                             `"http"`,
		`input.attributes.request.http.protocol`:                           `"HTTP/1.1"`,
		`input.attributes.request.http.size`:                               `11`,
		`input.attributes.contextExtensions`:                               `{}`,
		`input.attributes.request.http.body`:                               `"{\"a\": [1]} "`,
		`input.attributes.request.http.headers.authorization`:              `"Bearer token"`,
		`input.attributes.request.http.headers["x-list"]`:                  `"a,b"`,
		`input.attributes.request.http.headers[":path"]`:                   `"/api/a%20b/?x=1&x=2"`,
		`input.attributes.request.http.headers[":authority"]`:              `"example.com"`,
		`input.attributes.request.http.headers["x-forwarded-for"]`:         `"192.0.2.7"`,
		`input.attributes.request.time`:                                    `{"seconds": 1700000000, "nanos": 5}`,
		`input.attributes.source.address.socketAddress`:                    `{"address": "192.0.2.7", "portValue": 1234}`,
		`input.parsed_path`:                                                `["api", "a b", ""]`,
		`input.parsed_query`:                                               `{"x": ["1", "2"]}`,
		`input.parsed_body`:                                                `{"a": [1]}`,
		`input.truncated_body`:                                             `false`,
		`input.version`:                                                    `{"ext_authz": "v3", "encoding": "protojson"}`,
		`input.request.path`:                                               `"/api/a b/"`,
		`object.get(input.request.headers, "authorization", "")`:           `"[redacted]"`,
		`object.get(input.attributes.request.http, "X-Forwarded-Host", 0)`: `0`,
	}
	var source strings.Builder
	source.WriteString("package envoy.authz\n\nallow := {\"allowed\": true, \"headers\": {\"x-wrong\": concat(\"; \", wrong)}}\n")
	for term, want := range tests {
		source.WriteString("\nwrong contains json.marshal(" + term + ") if not " + term + " == " + want + "\n")
	}
	in := called("POST", "/api/a%20b/?x=1&x=2", `{"a": [1]} `, "Authorization", "Bearer token", "X-List", "a", "X-List", "b", "Content-Type", "application/json", "X-Forwarded-For", "10.0.0.1")
	got := envoySet(t, source.String()).Decide(t.Context(), in)
	if !got.Allow || got.Headers.Get("X-Wrong") != "" {
		t.Errorf("got %+v", got)
	}
}

// TestN63Envoy: multipart bodies, forms and JSON texts are parsed as the plugin does,
// a client certificate names the principal, and constants that are texts are the
// context extensions. A size is a number (N-62).
func TestN63Envoy(t *testing.T) {
	const form = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"f\"\r\n\r\n2\r\n" +
		"--x\r\nContent-Disposition: form-data; name=\"j\"\r\nContent-Type: application/json\r\n\r\n{\"b\": [true]}\r\n--x\r\n\r\nwithout a name\r\n--x--\r\n"
	in := called("POST", "/", form, "Content-Type", "multipart/form-data; boundary=x")
	in.Config = NewConstants(map[string]any{"tenant": "blue", "limits": []any{1}})
	tests := []struct {
		name, rule string
		in         Input
		problem    string
	}{
		{"N-63 multipart", `input.parsed_body == {"a": ["1", "2"], "j": [{"b": [true]}]}`, called("POST", "/", form, "Content-Type", "multipart/form-data; boundary=x"), ""},
		{"N-63 multipart that breaks off", "input.parsed_body.a", called("POST", "/", form[:60], "Content-Type", "multipart/form-data; boundary=x"), "body_malformed"},
		{"N-63 multipart without a boundary", "input.parsed_body.a", called("POST", "/", form, "Content-Type", "multipart/form-data"), "body_malformed"},
		{"N-63 multipart with wrong JSON", "input.parsed_body.a", called("POST", "/", strings.Replace(form, "[true]", "[true", 1), "Content-Type", "multipart/form-data; boundary=x"), "body_malformed"},
		{"N-11 multipart with too many values", "input.parsed_body.a", called("POST", "/", strings.Replace(form, "true", strings.Repeat("1,", 100)+"1", 1), "Content-Type", "multipart/form-data; boundary=x"), "body_too_complex"},
		{"N-11 multipart of too many parts", "input.parsed_body.a", called("POST", "/", strings.Repeat("--x\r\n\r\n\r\n", 101)+"--x--", "Content-Type", "multipart/form-data; boundary=x"), "body_too_complex"},
		{"N-11 a form of too many fields", "input.parsed_body.a", called("POST", "/", strings.Repeat("a&", 100), "Content-Type", "application/x-www-form-urlencoded"), "body_too_complex"},
		{"N-63 a form", `input.parsed_body == {"a": ["1", "2"]}`, called("POST", "/", "a=1&a=2", "Content-Type", "application/x-www-form-urlencoded"), ""},
		{"N-63 a JSON text", `input.parsed_body == "x"`, called("POST", "/", `"x"`, "Content-Type", "application/json"), ""},
		{"N-63 what is neither", `input.parsed_body == null`, called("POST", "/", "a=1", "Content-Type", "text/plain"), ""},
		{"N-63 context extensions", `input.attributes.contextExtensions == {"tenant": "blue"}`, in, ""},
		{"N-63 no principal", `not input.attributes.source.principal`, called("GET", "/", ""), ""},
		{"N-62 a size", `input.attributes.request.http.size < 100000`, called("POST", "/", "x"), ""},
		{"N-62 a large size", `not input.attributes.request.http.size > 100000`, called("POST", "/", "x"), ""},
		{"N-62 a time", `input.attributes.request.time == {"seconds": 1700000000, "nanos": 5}`, called("GET", "/", ""), ""},
	}
	for _, test := range tests {
		got := envoySet(t, "package envoy.authz\n\nimport rego.v1\n\ndefault allow := false\n\nallow if { "+test.rule+" }\n").Decide(t.Context(), test.in)
		if got.Allow != (test.problem == "") || test.problem != "" && (len(got.Codes) != 1 || got.Codes[0] != test.problem) {
			t.Errorf("%s: %+v", test.name, got)
		}
	}
	in = called("GET", "/", "")
	r := httptest.NewRequest("GET", "/", nil)
	leaf := &x509.Certificate{URIs: []*url.URL{{Scheme: "spiffe", Host: "example.com", Path: "/web"}}, DNSNames: []string{"web.example.com"}, SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf}}}
	in.Request = request.New(r, request.Metadata{ID: func() string { return "id" }}, new(request.Config))
	if got := envoySet(t, "package envoy.authz\n\nallow if input.attributes.source.principal == \"spiffe://example.com/web\"\n").Decide(t.Context(), in); !got.Allow {
		t.Errorf("N-63 a principal: %+v", got)
	}
}

// TestEnvoyReadings: T-12, T-14. The plugin's own split of a path is made for
// each reading of it.
func TestEnvoyReadings(t *testing.T) {
	set := envoySet(t, "package envoy.authz\n\ndefault allow := false\n\nallow if input.parsed_path[0] == \"public\"\n\nallow if not startswith(input.attributes.request.http.path, \"/admin\")\n")
	for target, want := range map[string]bool{"/public/x": true, "/x": true, "/admin": false, "//admin": false, "/admin%2fx": false, "/": true} {
		if got := set.Decide(t.Context(), called("GET", target, "")); got.Allow != want {
			t.Errorf("%s: %+v", target, got)
		}
	}
}

// TestEnvoyDecisions: answers are read as the plugin reads them, and only a true
// allowed allows.
func TestEnvoyDecisions(t *testing.T) {
	tests := []struct {
		name, allow string
		want        bool
		check       func(Decision) bool
	}{
		{"true", "true", true, nil},
		{"false", "false", false, nil},
		{"a string", `"true"`, false, nil},
		{"an object", `{"allowed": true}`, true, nil},
		{"without allowed", `{"allow": true}`, false, func(d Decision) bool { return d.Reason == authenticator.ReasonPolicyUndefined }},
		{"allowed is no boolean", `{"allowed": "true"}`, false, nil},
		{"what the plugin does not know", `{"allowed": true, "deny": ["x"], "foo": 1}`, true, nil},
		{"headers", `{"allowed": true, "headers": {"x-user": "a"}, "request_headers_to_remove": ["x-b"], "response_headers_to_add": {"x-c": ["1", "2"]}}`, true, func(d Decision) bool {
			return d.Headers.Get("X-User") == "a" && d.RequestHeadersToRemove[0] == "x-b" && len(d.ResponseHeadersToAdd["X-C"]) == 2
		}},
		{"a list of headers", `{"allowed": true, "headers": [{"x-user": "a"}, {"x-user": "b", "x-c": "1"}]}`, true, func(d Decision) bool { return len(d.Headers["X-User"]) == 2 && d.Headers.Get("X-C") == "1" }},
		{"a bad list of headers", `{"allowed": true, "headers": ["x"]}`, false, nil},
		{"a line end", `{"allowed": true, "headers": {"x": "a\nb"}}`, false, nil},
		{"the query", `{"allowed": true, "query_parameters_to_set": {"a": "b"}, "query_parameters_to_remove": ["c"]}`, true, func(d Decision) bool {
			return d.QueryToSet["a"][0] == "b" && d.QueryToRemove[0] == "c"
		}},
		{"metadata", `{"allowed": true, "dynamic_metadata": {"a": {"b": 1}}}`, true, func(d Decision) bool { return d.Metadata["a"] != nil }},
		{"a denial", `{"allowed": false, "http_status": 429, "body": "slowly", "headers": {"x-why": "y"}}`, false, func(d Decision) bool {
			return d.Status == 429 && *d.Body == "slowly" && d.Headers.Get("X-Why") == "y"
		}},
		{"elsewhere", `{"allowed": false, "http_status": 302, "headers": {"location": "https://id.example/login"}}`, false, func(d Decision) bool {
			return d.Redirect != nil && *d.Redirect == (decision.Redirect{To: "https://id.example/login", Status: 302}) && d.Headers.Get("Location") == ""
		}},
		{"a denial with 200", `{"allowed": false, "http_status": 200}`, false, func(d Decision) bool { return d.Reason == authenticator.ReasonPolicyError }},
		{"an allow with a location", `{"allowed": true, "http_status": 302, "headers": {"location": "x"}}`, true, func(d Decision) bool { return d.Redirect == nil }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := envoySet(t, "package envoy.authz\n\nallow := "+test.allow+"\n").Decide(t.Context(), called("GET", "/", ""))
			if got.Allow != test.want || test.check != nil && !test.check(got) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestEnvoyLenient: an error of a built-in function is undefined, as there, and
// is an error without opa_envoy (T-03).
func TestEnvoyLenient(t *testing.T) {
	const rules = "\n\ndefault allow := false\n\nallow if not bad\n\nbad if time.parse_rfc3339_ns(\"never\") > 0\n"
	if got := envoySet(t, "package envoy.authz"+rules).Decide(t.Context(), called("GET", "/", "")); !got.Allow {
		t.Errorf("got %+v", got)
	}
	strict := open(t, Config{Sources: []string{policytest.NewDir(t).Write("a.rego", "package caddy.authz"+rules)}})
	if got := strict.Decide(t.Context(), called("GET", "/", "")); got.Allow || got.Reason != authenticator.ReasonPolicyError {
		t.Errorf("got %+v", got)
	}
}

// TestEnvoyBody: T-46. A body that is not whole is told, or refused.
func TestEnvoyBody(t *testing.T) {
	long := `{"a": "` + strings.Repeat("x", 2<<10) + `"}`
	aware := envoySet(t, "package envoy.authz\n\nallow := {\"allowed\": true, \"headers\": {\"x-body\": json.marshal([input.truncated_body, input.parsed_body])}}\n")
	got := aware.Decide(t.Context(), called("POST", "/", long, "Content-Type", "application/json"))
	if got.Headers.Get("X-Body") != "[true,null]" {
		t.Errorf("got %+v", got)
	}
	got = aware.Decide(t.Context(), called("POST", "/", "a=1&a=2&b", "Content-Type", "application/x-www-form-urlencoded"))
	if got.Headers.Get("X-Body") != `[false,{"a":["1","2"],"b":[""]}]` {
		t.Errorf("got %+v", got)
	}
	unaware := envoySet(t, "package envoy.authz\n\nallow if not input.parsed_body.admin\n")
	if got := unaware.Decide(t.Context(), called("POST", "/", long, "Content-Type", "application/json")); got.Allow || got.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("got %+v", got)
	}
}

// TestEnvoyEntry: T-45. Credentials that the policy saw are not in the decision log.
func TestEnvoyEntry(t *testing.T) {
	set := envoySet(t, "package envoy.authz\n\nallow if input.attributes.request.http.headers.authorization == \"Bearer s3cret\"\n")
	in := called("GET", "/", "", "Authorization", "Bearer s3cret", "Cookie", "a=s3cret")
	decision := set.Decide(t.Context(), in)
	entry, ok := set.Entry(t.Context(), in, decision)
	encoded, err := json.Marshal(entry)
	if !decision.Allow || !ok || err != nil || strings.Contains(string(encoded), "s3cret") || !strings.Contains(string(encoded), `"parsed_path":[""]`) {
		t.Errorf("%+v %v %s", decision, err, encoded)
	}
}

// TestEnvoyPolicy: a policy as that plugin's users write them.
func TestEnvoyPolicy(t *testing.T) {
	set := envoySet(t, `package envoy.authz

import input.attributes.request.http as http_request

default allow := false

allow if {
	is_token_valid
	action_allowed
}

is_token_valid if {
	token.valid
	now := time.now_ns() / 1000000000
	token.payload.nbf <= now
	now < token.payload.exp
}

action_allowed if {
	http_request.method == "GET"
	token.payload.role == "guest"
	glob.match("/people*", ["/"], http_request.path)
}

action_allowed if {
	http_request.method == "POST"
	token.payload.role == "admin"
	glob.match("/people", ["/"], http_request.path)
	lower(input.parsed_body.firstname) != base64url.decode(token.payload.sub)
}

token := {"valid": valid, "payload": payload} if {
	[_, encoded] := split(http_request.headers.authorization, " ")
	[valid, _, payload] := io.jwt.decode_verify(encoded, {"secret": "test-material-for-hs256"})
}
`)
	tests := []struct {
		name, method, target, body, authorization string
		want                                      bool
	}{
		{"a guest reads", "GET", "/people", "", "Bearer " + signedFor(t, "guest"), true},
		{"a guest writes", "POST", "/people", `{"firstname": "charlie"}`, "Bearer " + signedFor(t, "guest"), false},
		{"an admin writes", "POST", "/people", `{"firstname": "charlie"}`, "Bearer " + signedFor(t, "admin"), true},
		{"an admin adds themselves", "POST", "/people", `{"firstname": "alice"}`, "Bearer " + signedFor(t, "admin"), false},
		{"a broken token", "GET", "/people", "", "Bearer x.y.z", false},
		{"nobody", "GET", "/people", "", "", false},
	}
	for _, test := range tests {
		header := []string{"Content-Type", "application/json"}
		if test.authorization != "" {
			header = append(header, "Authorization", test.authorization)
		}
		if got := set.Decide(t.Context(), called(test.method, test.target, test.body, header...)); got.Allow != test.want {
			t.Errorf("%s: %+v", test.name, got)
		}
	}
}

// signedFor returns a token of that policy's for a role.
func signedFor(t *testing.T, role string) string {
	t.Helper()
	claims := jwt.MapClaims{"role": role, "sub": "YWxpY2U", "nbf": time.Now().Add(-time.Hour).Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("test-material-for-hs256"))
	if err != nil {
		t.Fatal(err)
	}
	return token
}
