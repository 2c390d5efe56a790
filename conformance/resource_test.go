package conformance

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
)

// resourceSite has two issuers for one resource and a third for another.
const resourceSite = "jwt https://id.example.com {\n secret " + jwtSecret + "\n resource https://api.example.com\n }\n" +
	"jwt https://partner.example.com {\n secret " + jwtSecret + "\n resource https://api.example.com\n from query access_token\n }\n" +
	"jwt https://id.example.com {\n secret " + jwtSecret + "\n audience mcp\n resource https://api.example.com/mcp\n from header X-Token\n }\n" +
	"cors {\n origins https://app.example.com\n }\n"

// TestMetadata: R-PRM-1, R-PRM-2, R-PRM-3, R-PRM-5, R-PRM-6, R-PRM-7, R-CORS-24. Who
// wants to know how to get a token need not have one; scripts of every origin
// may ask, and what a request says of hosts changes nothing.
func TestMetadata(t *testing.T) {
	h, _ := newEnv(t).site(resourceSite)
	const root, mcp = "/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"
	tests := []struct {
		name, method, path string
		status             int
		body               string
	}{
		{"the site", "GET", root, 200, `{"resource":"https://api.example.com","authorization_servers":["https://id.example.com","https://partner.example.com"],"bearer_methods_supported":["header","query"],"dpop_signing_alg_values_supported":["ES256","ES384","ES512","Ed25519","EdDSA","PS256","PS384","PS512","RS256","RS384","RS512"]}`},
		{"a part of it", "GET", mcp, 200, `{"resource":"https://api.example.com/mcp","authorization_servers":["https://id.example.com"],"bearer_methods_supported":[]}`},
		{"a part that is none", "GET", root + "/other", 404, ""},
		{"a slash too many", "GET", root + "/", 404, ""},
		{"in another case", "GET", strings.ToUpper(mcp[len(root):]), 401, "*"},
		{"a longer name", "GET", root + "-not", 401, "*"},
		{"a preflight", "OPTIONS", mcp, 204, ""},
		{"another method", "POST", mcp, 405, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, header := range [][]string{
				nil,
				{"Origin", "https://evil.example", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "mcp-protocol-version"},
				{"X-Forwarded-Host", "evil.example", "Authorization", "Bearer wrong"},
			} {
				r, want := get(test.path, header...), test.status
				r.Method, r.Host = test.method, "evil.example"
				if test.body == "*" && r.Header["Origin"] != nil {
					want = 403 // the Host that a page attacks by DNS rebinding is its own
				}
				recorder := httptest.NewRecorder()
				err := askOn(recorder, h, r, new(reached))
				if err != nil || recorder.Code != want || test.body != "*" && recorder.Body.String() != test.body {
					t.Fatalf("%v: %d %s %v", header, recorder.Code, recorder.Body, err)
				}
				if test.body == "*" {
					continue
				}
				got := recorder.Header()
				if got.Get("Access-Control-Allow-Origin") != "*" || got.Get("Access-Control-Allow-Credentials") != "" || got.Get("WWW-Authenticate") != "" {
					t.Errorf("%v: %v", header, got)
				}
				if test.status == 200 && (got.Get("Content-Type") != "application/json" || !strings.Contains(got.Get("Cache-Control"), "max-age=")) {
					t.Errorf("%v", got)
				}
			}
		})
	}
}

// TestNoMetadata: a site without a resource keeps the path to itself.
func TestNoMetadata(t *testing.T) {
	h, _ := newEnv(t).site(jwtSite)
	recorder, _ := ask(h, get("/.well-known/oauth-protected-resource"), new(reached))
	if recorder.Code != http.StatusUnauthorized {
		t.Errorf("%d", recorder.Code)
	}
}

// TestResource: R-PRM-4, R-PRM-8. Challenges say where the description is, and
// tokens have to be for the resource.
func TestResource(t *testing.T) {
	h, _ := newEnv(t).site("jwt https://id.example.com {\n secret " + jwtSecret + "\n resource https://api.example.com/mcp\n }\n")
	tests := []struct {
		name, token string
		status      int
	}{
		{"none", "", 401},
		{"for the resource", jwtOf(t, jwt.MapClaims{"aud": "https://api.example.com/mcp"}), 200},
		{"for a part of it", jwtOf(t, jwt.MapClaims{"aud": "https://api.example.com/mcp/tools"}), 401},
		{"for the site", jwtOf(t, jwt.MapClaims{"aud": "https://api.example.com"}), 401},
		{"for the resource, with a slash", jwtOf(t, jwt.MapClaims{"aud": "https://api.example.com/mcp/"}), 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, next := get("/mcp"), new(reached)
			if test.token != "" {
				r.Header.Set("Authorization", "Bearer "+test.token)
			}
			recorder, err := ask(h, r, next)
			if err != nil || recorder.Code != test.status || (next.Request != nil) != (test.status == 200) {
				t.Fatalf("%d %v", recorder.Code, err)
			}
			if next.Request != nil && next.Request.Header["Authorization"] != nil {
				t.Error("the upstream gets the token")
			}
			challenge := recorder.Header().Get("WWW-Authenticate")
			named := strings.Contains(challenge, `resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/mcp"`)
			if named != (test.status == 401) {
				t.Errorf("challenge %q", challenge)
			}
		})
	}
}

// TestResourceErrors: what cannot be described is refused when it is loaded, and so is
// passing on the tokens for a resource.
//
// R-PRM-8
func TestResourceErrors(t *testing.T) {
	const one = "jwt https://id.example.com {\n secret " + jwtSecret + "\n resource https://"
	_, err := newEnv(t).provision(one + "a.example.com/x\n }\n" + one + "b.example.com/x\n }\n")
	if err == nil || !strings.Contains(err.Error(), "https://a.example.com/x and https://b.example.com/x") {
		t.Errorf("two resources at one path: %v", err)
	}
	_, err = newEnv(t).provision(one + "a.example.com/x\n }\nforward_credentials\n")
	if err == nil || !strings.Contains(err.Error(), "forward_credentials: a token for the protected resource https://a.example.com/x must not be passed on") {
		t.Errorf("a site that passes on tokens for a resource: %v", err)
	}
}

// TestMetadataHEAD: a HEAD is answered like a GET, through a server.
func TestMetadataHEAD(t *testing.T) {
	h, _ := newEnv(t).site(resourceSite)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := askOn(w, h, r, new(reached)); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	got, err := http.Get(server.URL + "/.well-known/oauth-protected-resource")
	if err != nil {
		t.Fatal(err)
	}
	_ = got.Body.Close()
	head, err := http.Head(server.URL + "/.well-known/oauth-protected-resource")
	if err != nil {
		t.Fatal(err)
	}
	_ = head.Body.Close()
	if got.StatusCode != 200 || head.StatusCode != 200 || got.ContentLength != head.ContentLength {
		t.Errorf("%v %v", got, head)
	}
}

// TestN48Origin: a page of another origin does not reach a protected resource, not
// even with a good token.
//
// R-CSRF-3
func TestN48Origin(t *testing.T) {
	w := newEnv(t)
	block := "jwt https://id.example.com {\n secret " + jwtSecret + "\n audience api\n resource https://api.example.com/mcp\n }\n"
	h, logs := w.site(block + "cors {\n origins https://app.example.com\n }\n")
	open, _ := w.site(block + "cors {\n origins *\n }\n")
	bare, _ := w.site(block)
	upstream, _ := w.site(block + "cors upstream\n")
	tests := []struct {
		name   string
		h      caddyhttp.MiddlewareHandler
		path   string
		origin []string
		status int
	}{
		{"N-48 a program", h, "/mcp", nil, 200},
		{"N-48 another origin", h, "/mcp", []string{"https://evil.example"}, 403},
		{"N-48 null", h, "/mcp", []string{"null"}, 403},
		{"N-48 null, where all may", open, "/mcp", []string{"null"}, 403},
		{"N-48 an empty origin", h, "/mcp", []string{""}, 403},
		{"N-48 two origins", h, "/mcp", []string{"https://api.example.com", "https://evil.example"}, 403},
		{"N-48 its own origin", h, "/mcp", []string{"https://api.example.com"}, 200},
		{"N-48 the origin of the Host, by DNS rebinding", h, "/mcp", []string{"http://rebound.example"}, 403},
		{"N-48 an origin of cors", h, "/mcp", []string{"https://app.example.com"}, 200},
		{"N-48 an origin, where all may", open, "/mcp", []string{"https://evil.example"}, 200},
		{"N-48 no cors", bare, "/mcp", []string{"https://app.example.com"}, 403},
		{"N-48 an upstream that judges origins", upstream, "/mcp", []string{"https://evil.example"}, 200},
		{"N-48 below", h, "/mcp/tools", []string{"https://evil.example"}, 403},
		{"N-48 in capitals", h, "/MCP/", []string{"https://evil.example"}, 403},
		{"N-48 escaped", h, "/%6dcp", []string{"https://evil.example"}, 403},
		{"N-48 an escaped slash", h, "/mcp%2fx", []string{"https://evil.example"}, 403},
		{"N-48 beside", h, "/mcpx", []string{"https://evil.example"}, 200},
		{"N-48 elsewhere", h, "/", []string{"https://evil.example"}, 200},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, next := get(test.path, "Authorization", "Bearer "+jwtOf(t, nil)), new(reached)
			r.Method, r.Host = "POST", "rebound.example"
			if test.origin != nil {
				r.Header["Origin"] = test.origin
			}
			recorder := httptest.NewRecorder()
			err := askOn(recorder, test.h, r, next)
			if err != nil || recorder.Code != test.status || (next.Request != nil) != (test.status == 200) {
				t.Fatalf("%d %v", recorder.Code, err)
			}
			if test.status == 403 && (recorder.Header().Get("WWW-Authenticate") != "" || !strings.Contains(recorder.Body.String(), `"class":"cross_site"`)) {
				t.Errorf("%v %s", recorder.Header(), recorder.Body)
			}
		})
	}
	found := false
	for _, line := range logs.All() {
		fields := line.ContextMap()
		found = found || fields["reason"] == "origin_refused" && fields["origin"] == "https://evil.example"
	}
	if !found {
		t.Error("the log does not name the origin")
	}
}

// TestN48Scopes: the description of a resource and its challenge name its scopes;
// what a policy misses is named instead.
//
// R-PRM-3, R-PRM-5
func TestN48Scopes(t *testing.T) {
	h, _ := newEnv(t).site("jwt https://id.example.com {\n secret " + jwtSecret + "\n resource https://api.example.com/mcp {\n scopes tools:read tools:call\n name Tools\n documentation https://docs.example.com/tools\n }\n }\n")
	recorder, _ := ask(h, get("/.well-known/oauth-protected-resource/mcp"), new(reached))
	const want = `{"resource":"https://api.example.com/mcp","authorization_servers":["https://id.example.com"],"bearer_methods_supported":["header"],` +
		`"scopes_supported":["tools:read","tools:call"],"resource_name":"Tools","resource_documentation":"https://docs.example.com/tools","dpop_signing_alg_values_supported":["ES256","ES384","ES512","Ed25519","EdDSA","PS256","PS384","PS512","RS256","RS384","RS512"]}`
	if diff := cmp.Diff(want, recorder.Body.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	recorder, _ = ask(h, get("/mcp"), new(reached))
	const challenge = `Bearer realm="restricted", scope="tools:read tools:call", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/mcp"`
	if got := recorder.Header().Get("WWW-Authenticate"); recorder.Code != http.StatusUnauthorized || got != challenge {
		t.Errorf("%d %s", recorder.Code, got)
	}
	if !strings.Contains(recorder.Body.String(), `"scope":"tools:read tools:call"`) {
		t.Errorf("the document says otherwise than the challenge: %s", recorder.Body)
	}
}
