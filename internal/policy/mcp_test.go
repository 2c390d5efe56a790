package policy

import (
	"encoding/json"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decisioncache"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// toolsTable lets callers of /mcp call some tools, each for a scope, and admins anything.
const toolsTable = `rules:
  - paths: [/mcp]
    allow:
      - {scopes: [greet], tools: [greet]}
      - {scopes: [files], tools: [read_*]}
      - {roles: [admin]}
  - paths: [/public]
    allow: [{anyone: true, tools: [greet]}]
  - allow: [{authenticated: true}]
`

// messageTo is a request with a message, by a caller with scopes; without any it is anonymous.
func messageTo(path, body string, scopes ...string) Input {
	in := posted(body)
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	in.Request = request.New(r, request.Metadata{ID: func() string { return "id" }, ClientIP: "192.0.2.1"}, new(request.Config))
	if len(scopes) > 0 {
		in.Identity = (&authenticator.Identity{Authenticated: true, ID: "alice", Scopes: scopes}).Normalize()
	}
	return in
}

// callOf is a message that calls a tool.
func callOf(tool string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `"}}`
}

// toolEngines are an engine that judges toolsTable in Go and one that asks for it in Rego.
func toolEngines(t *testing.T) map[string]*Engine {
	dir := policytest.NewDir(t)
	table := dir.Write("access.yaml", toolsTable)
	rego := dir.Write("rules/authz.rego", "package caddy.authz\n\nallow := data.caddy.access.decision\n")
	return map[string]*Engine{
		"in Go": open(t, Config{Access: []string{table}}), "in Rego": open(t, Config{Access: []string{table}, Sources: []string{rego}}),
	}
}

// TestS32Decide: the message decides where a rule with tools does, and only there; one
// that is none is 400, whatever the caller may do.
func TestS32Decide(t *testing.T) {
	const list, read = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"x"}}`
	tests := []struct {
		name, path, body string
		scopes           []string
		allow            bool
		status           int // 0: the policy's own denial
		challenge        string
	}{
		{"S-32 a tool", "/mcp", callOf("greet"), []string{"greet"}, true, 0, ""},
		{"S-32 a tool by its prefix", "/mcp", callOf("read_file"), []string{"files"}, true, 0, ""},
		{"S-32 a tool for another scope", "/mcp", callOf("read_file"), []string{"greet"}, false, 0, "files"},
		{"S-32 a tool of no scope", "/mcp", callOf("delete"), []string{"greet", "files"}, false, 0, ""},
		{"S-32 the tools", "/mcp", list, []string{"greet"}, true, 0, ""},
		{"S-32 a resource", "/mcp", read, []string{"greet"}, false, 0, ""},
		{"S-32 an array", "/mcp", "[" + list + "]", []string{"greet"}, false, 400, ""},
		{"S-32 no JSON", "/mcp", "x", []string{"greet"}, false, 400, ""},
		{"S-32 no message", "/mcp", "", []string{"greet"}, false, 400, ""},
		{"S-32 what is too complex", "/mcp", `{"method":"tools/list","params":{"a":[` + strings.Repeat("0,", 30_000) + "0]}}", []string{"greet"}, false, 413, ""},
		{"S-32 elsewhere", "/files", "[]", []string{"greet"}, true, 0, ""},
		{"S-32 no JSON elsewhere", "/files", "x", []string{"greet"}, true, 0, ""},
		{"S-32 a public tool", "/public", callOf("greet"), nil, true, 0, ""},
		{"S-32 a tool that is not public", "/public", callOf("delete"), nil, false, 0, ""},
		{"S-32 an array of an anonymous caller", "/public", "[]", nil, false, 400, ""},
	}
	for name, set := range toolEngines(t) {
		for _, test := range tests {
			got := set.Decide(t.Context(), messageTo(test.path, test.body, test.scopes...))
			if got.Allow != test.allow || got.Status != test.status || (got.Reason == authenticator.ReasonBodyRefused) != (test.status != 0) || got.Err != nil {
				t.Errorf("%s, %s: %+v", test.name, name, got)
			}
			if (got.Challenge != nil) != (test.challenge != "") || got.Challenge != nil && strings.Join(got.Challenge.Scopes, " ") != test.challenge {
				t.Errorf("%s, %s: challenge %+v", test.name, name, got.Challenge)
			}
		}
		in := messageTo("/mcp", `{"method":"tools/list"}`, "greet")
		r := httptest.NewRequest("POST", "/mcp", strings.NewReader(callOf("delete")))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Mcp-Name", "greet")
		in.Request = request.New(r, request.Metadata{ID: func() string { return "id" }, ClientIP: "192.0.2.1"}, new(request.Config))
		if got := set.Decide(t.Context(), in); got.Allow || got.Status != 400 || got.Codes[0] != "header_mismatch" {
			t.Errorf("S-32 a header that differs, %s: %+v", name, got)
		}
		if rest, err := io.ReadAll(r.Body); err != nil || string(rest) != callOf("delete") {
			t.Errorf("the next handler gets %q, %v", rest, err)
		}
	}
}

// TestS32Cache: a decision about one message is not the decision about another.
func TestS32Cache(t *testing.T) {
	set := toolEngines(t)["in Rego"]
	if status := set.Status(); !status.Cacheable {
		t.Fatalf("the decisions are not cached: %v", status.NotCacheable)
	}
	for i := range 3 {
		for tool, want := range map[string]bool{"greet": true, "delete": false, "read_file": false} {
			got := set.Decide(t.Context(), messageTo("/mcp", callOf(tool), "greet"))
			if got.Allow != want || (got.Cached == decisioncache.Hit) != (i > 0) {
				t.Errorf("S-32 %s, call %d: %v, %s", tool, i, got.Allow, got.Cached)
			}
		}
	}
}

// TestS32Unread: the body of an anonymous caller that no message lets in is not read, and
// neither is one where no rule with tools decides.
func TestS32Unread(t *testing.T) {
	set := toolEngines(t)["in Go"]
	for path, scopes := range map[string][]string{"/mcp": nil, "/files": {"greet"}} {
		in := messageTo(path, "", scopes...)
		r := httptest.NewRequest("POST", path, nil)
		r.Body, r.ContentLength = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)), -1
		in.Request = request.New(r, request.Metadata{ID: func() string { return "id" }, ClientIP: "192.0.2.1"}, new(request.Config))
		got := set.Decide(t.Context(), in)
		if got.Reason == authenticator.ReasonBodyRefused || got.Allow != (path == "/files") {
			t.Errorf("S-32 %s: %+v", path, got)
		}
		if path == "/mcp" && (got.Login == nil || !got.Login.Offered) {
			t.Errorf("S-32 %s: signing in is not offered: %+v", path, got)
		}
	}
}

// TestS32OwnPolicy: a policy of the site's own that names the message gets only messages,
// and one that names the whole input gets any body.
func TestS32OwnPolicy(t *testing.T) {
	own := policyOf(t, "package caddy.authz\n\nallow if not input.request.mcp.tool in {\"delete\"}\n")
	for body, want := range map[string]bool{callOf("greet"): true, callOf("delete"): false, "[" + callOf("delete") + "]": false, "": false} {
		if got := own.Decide(t.Context(), messageTo("/", body)); got.Allow != want {
			t.Errorf("S-32 %s: %+v", body, got)
		}
	}
	if got := policyOf(t, "package caddy.authz\n\nallow if json.marshal(input) != \"\"\n").Decide(t.Context(), messageTo("/", "[1]")); !got.Allow {
		t.Errorf("S-32 any body: %+v", got)
	}
}

// TestS32Record: what is kept of a denied request names the tool, without the body.
func TestS32Record(t *testing.T) {
	set := toolEngines(t)["in Go"]
	in := messageTo("/mcp", `{"method":"tools/call","params":{"name":"delete","arguments":{"a":"private"}}}`, "greet")
	d := set.Decide(t.Context(), in)
	document, _, err := set.Record(in, d).Document()
	var kept struct{ Request request.Fields }
	if err != nil || json.Unmarshal(document, &kept) != nil || kept.Request.MCP != (request.MCP{Method: "tools/call", Tool: "delete"}) || strings.Contains(string(document), "private") {
		t.Errorf("S-32 %v %s", err, document)
	}
}
