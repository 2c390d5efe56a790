package policyauth

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

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
		h      *Handler
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
			r.Method, r.Host = "POST", "api.example.com"
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
		`"scopes_supported":["tools:read","tools:call"],"resource_name":"Tools","resource_documentation":"https://docs.example.com/tools"}`
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
