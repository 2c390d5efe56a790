package accesstable

import (
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// messageQuestion is a request with a message of the Model Context Protocol.
func messageQuestion(method string, message request.MCP, claims map[string]any) *Question {
	d := &request.Document{Identity: (&authenticator.Identity{Authenticated: true, ID: "alice", Claims: claims}).Normalize()}
	d.Request = request.Fields{Method: method, Host: "a.example", Path: "/mcp", PathFolded: "/mcp", RewrittenPath: "/mcp", MCP: message}
	return &Question{Document: d}
}

// TestS32Tools: tools holds for calls of its tools and for what clients need besides.
func TestS32Tools(t *testing.T) {
	condition := newTools([]string{"greet", "read_*"})
	tests := []struct {
		name, method string
		message      request.MCP
		want, denied bool // under allow and under deny
	}{
		{"S-32 a tool", "POST", request.MCP{Method: "tools/call", Tool: "greet"}, true, true},
		{"S-32 another tool", "POST", request.MCP{Method: "tools/call", Tool: "delete"}, false, false},
		{"S-32 a tool that begins with its name", "POST", request.MCP{Method: "tools/call", Tool: "greet_all"}, false, false},
		{"S-32 a tool in another case", "POST", request.MCP{Method: "tools/call", Tool: "Greet"}, false, false},
		{"S-32 a tool with a prefix", "POST", request.MCP{Method: "tools/call", Tool: "read_file"}, true, true},
		{"S-32 the prefix", "POST", request.MCP{Method: "tools/call", Tool: "read_"}, true, true},
		{"S-32 less than the prefix", "POST", request.MCP{Method: "tools/call", Tool: "read"}, false, false},
		{"S-32 a call by PUT", "PUT", request.MCP{Method: "tools/call", Tool: "greet"}, false, true},
		{"S-32 a list of tools", "POST", request.MCP{Method: "tools/list"}, true, false},
		{"S-32 discovery", "POST", request.MCP{Method: "server/discover"}, true, false},
		{"S-32 initialize", "POST", request.MCP{Method: "initialize"}, true, false},
		{"S-32 ping", "POST", request.MCP{Method: "ping"}, true, false},
		{"S-32 a notification", "POST", request.MCP{Method: "notifications/initialized"}, true, false},
		{"S-32 what only looks like one", "POST", request.MCP{Method: "notifications"}, false, false},
		{"S-32 resources", "POST", request.MCP{Method: "resources/read"}, false, false},
		{"S-32 prompts", "POST", request.MCP{Method: "prompts/get"}, false, false},
		{"S-32 subscriptions", "POST", request.MCP{Method: "subscriptions/listen"}, false, false},
		{"S-32 a response", "POST", request.MCP{}, false, false},
		{"S-32 a stream", "GET", request.MCP{}, true, false},
		{"S-32 the end of a session", "DELETE", request.MCP{}, true, false},
		{"S-32 HEAD", "HEAD", request.MCP{}, false, false},
		{"S-32 PUT", "PUT", request.MCP{}, false, false},
	}
	for _, test := range tests {
		q := messageQuestion(test.method, test.message, nil)
		if got, denied := condition.holds(q, allow), condition.holds(q, deny); got != test.want || denied != test.denied {
			t.Errorf("%s: %v under allow, %v under deny", test.name, got, denied)
		}
		q.Request.Upgrade = "websocket"
		if condition.holds(q, allow) {
			t.Errorf("%s, over a WebSocket: it holds", test.name)
		}
		q.AnyMessage = true
		if !condition.holds(q, allow) || condition.holds(q, deny) != test.denied {
			t.Errorf("%s: an unread message is not any", test.name)
		}
	}
	if !newTools([]string{"*"}).match("") {
		t.Error("S-32 * is not every tool")
	}
}

// TestS10Clients: a client that is not clear is known to be none under allow and may be one
// under deny.
func TestS10Clients(t *testing.T) {
	const document = "https://app.example.com/client.json"
	condition := clients(newWords([]string{"app", document}))
	tests := []struct {
		name         string
		claims       map[string]any
		want, denied bool
	}{
		{"S-10 client_id", map[string]any{"client_id": "app"}, true, true},
		{"S-10 azp", map[string]any{"azp": "app"}, true, true},
		{"S-10 a client metadata document", map[string]any{"client_id": document}, true, true},
		{"S-10 another URL", map[string]any{"client_id": document + "/"}, false, false},
		{"S-10 both", map[string]any{"client_id": "app", "azp": "app"}, true, true},
		{"S-10 two", map[string]any{"client_id": "app", "azp": "other"}, false, true},
		{"S-10 an empty one and another", map[string]any{"client_id": "", "azp": "app"}, false, true},
		{"S-10 null and one", map[string]any{"client_id": nil, "azp": "app"}, true, true},
		{"S-10 a list", map[string]any{"client_id": []any{"app"}}, false, true},
		{"S-10 a list and one", map[string]any{"client_id": []any{"app"}, "azp": "app"}, false, true},
		{"S-10 another", map[string]any{"client_id": "other"}, false, false},
		{"S-10 none", nil, false, false},
	}
	for _, test := range tests {
		q := messageQuestion("POST", request.MCP{}, test.claims)
		if got, denied := condition.holds(q, allow), condition.holds(q, deny); got != test.want || denied != test.denied {
			t.Errorf("%s: %v under allow, %v under deny", test.name, got, denied)
		}
	}
	q := messageQuestion("POST", request.MCP{}, map[string]any{"client_id": "app"})
	if q.Identity.Authenticated = false; condition.holds(q, allow) {
		t.Error("it holds for an anonymous caller")
	}
	if q.Identity.Unknown = []string{"claims"}; !condition.holds(q, deny) {
		t.Error("S-10 unknown claims are no client under deny")
	}
}

// TestS32ReadsMessage: a body is read only where a rule with tools decides.
func TestS32ReadsMessage(t *testing.T) {
	table, _, err := Parse([]File{{"access.yaml", []byte(`rules:
  - paths: [/mcp]
    allow: [{authenticated: true, tools: [greet]}]
  - paths: [/files/*]
    allow: [{authenticated: true}]
default: [{roles: [admin]}, {tools: ["*"]}]
`)}})
	if err != nil || !table.HasTools() {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{"/mcp": true, "/mcp/": true, "/files/mcp": false, "/other": true} {
		q := messageQuestion("POST", request.MCP{}, nil)
		q.Request.Path, q.Request.PathFolded, q.Request.RewrittenPath = path, path, path
		if got := table.ReadsMessage(q); got != want {
			t.Errorf("S-32 %s: %v", path, got)
		}
	}
	q := messageQuestion("POST", request.MCP{}, nil)
	q.Request.PathFolded, q.Request.Path = "/files/x", "/files/x" // and rewritten to /mcp
	if !table.ReadsMessage(q) {
		t.Error("S-32 a path that is rewritten to one of a rule with tools is not read")
	}
	none, _, _ := Parse([]File{{"access.yaml", []byte("rules: [{paths: [/mcp], allow: [{authenticated: true}]}]")}})
	if none.HasTools() || none.ReadsMessage(messageQuestion("POST", request.MCP{}, nil)) {
		t.Error("a table without tools reads messages")
	}
}

// TestToolsPatterns: a * that is no prefix is a mistake.
func TestToolsPatterns(t *testing.T) {
	for _, pattern := range []string{"a*b", "*a", "**"} {
		_, _, err := Parse([]File{{"access.yaml", []byte("rules: [{allow: [{tools: ['" + pattern + "']}]}]")}})
		if err == nil || !strings.Contains(err.Error(), "access.yaml:1:27: tools: \""+pattern+"\" is not a pattern: * stands only at the end, as in read_*") {
			t.Errorf("%s: %v", pattern, err)
		}
	}
	_, _, err := Parse([]File{{"access.yaml", []byte("rules: [{allow: [{clients: ['*']}]}]")}})
	if err == nil || !strings.Contains(err.Error(), "clients: * is not a wildcard here") {
		t.Errorf("a client *: %v", err)
	}
}
