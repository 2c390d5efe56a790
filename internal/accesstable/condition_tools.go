package accesstable

import (
	"net/http"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// tools is a condition on the message of the Model Context Protocol in the body of the
// request. It allows calls of the named tools and what clients need in order to know and
// call them, and nothing else, such as reading resources (S-32).
type tools struct {
	names, prefixes words
}

func newTools(list []string) tools {
	t := tools{names: words{}, prefixes: words{}}
	for _, pattern := range list {
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
			t.prefixes[prefix] = struct{}{}
		} else {
			t.names[pattern] = struct{}{}
		}
	}
	return t
}

// callTool is the JSON-RPC method that calls a tool.
const callTool = "tools/call"

// toolMethods are the other JSON-RPC methods for which tools holds, besides notifications:
// initialize and ping are of revisions up to 2025-11-25.
var toolMethods = newWords([]string{"server/discover", "tools/list", "initialize", "ping"})

// holds also holds for GET and DELETE without a body, with which clients of revisions up to
// 2025-11-25 open a stream and end a session. Under deny, only the call of a named tool
// counts.
func (t tools) holds(q *Question, under polarity) bool {
	f := &q.Request
	called := f.MCP.Method == callTool && t.match(f.MCP.Tool)
	switch {
	case under == deny:
		return called
	case q.AnyMessage:
		return true
	case f.Upgrade != "":
		return false // the messages of a WebSocket are not seen
	case f.MCP.Method == "":
		return f.Method == http.MethodGet || f.Method == http.MethodDelete
	}
	return f.Method == http.MethodPost && (called || toolMethods.has(f.MCP.Method) || strings.HasPrefix(f.MCP.Method, "notifications/"))
}

// match reports whether the condition names a tool. Its cost depends on the length of the
// tool's name, which is limited, and not on the number of patterns.
func (t tools) match(tool string) bool {
	if t.names.has(tool) {
		return true
	}
	for end := range len(tool) + 1 {
		if t.prefixes.has(tool[:end]) {
			return true
		}
	}
	return false
}

func (tools) has(q *Question) any {
	if q.Request.MCP.Method == "" {
		return q.Request.Method + " without a message"
	}
	return strings.TrimSpace(q.Request.MCP.Method + " " + q.Request.MCP.Tool)
}

// HasTools reports whether any rule has the condition tools.
func (t *Table) HasTools() bool { return t.tools }

// ReadsMessage reports whether a rule with the condition tools decides about a request, so
// that its body has to be read as a message of the Model Context Protocol.
func (t *Table) ReadsMessage(q *Question) bool {
	if !t.tools {
		return false
	}
	t.pick(q)
	return slices.ContainsFunc(q.judged, func(r *Rule) bool { return r.tools })
}

// findTools finds the rules that have the condition tools.
func (t *Table) findTools() {
	for _, rule := range append(slices.Clip(t.rules), t.fallback) {
		rule.tools = slices.ContainsFunc(rule.Allow, func(a Alternative) bool { return a.has("tools") })
		t.tools = t.tools || rule.tools
	}
}

// tools parses names of tools, and prefixes of names followed by *.
func (p *parser) tools(node *yaml.Node) []string {
	items := p.texts(node, "tools", false)
	for _, item := range items {
		if at := strings.IndexByte(item.Value, '*'); at >= 0 && at < len(item.Value)-1 {
			p.problem(item, "tools: %.60q is not a pattern: * stands only at the end, as in read_*", item.Value)
		}
	}
	return valuesOf(items)
}
