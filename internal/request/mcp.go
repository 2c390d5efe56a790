package request

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// maxMCPName limits the JSON-RPC method and the name of a tool, in bytes: they are kept with
// denied requests. Names of tools should have at most 128.
const maxMCPName = 512

// ReadMCP reads the body, which ReadBody has read as a whole, as one message of the Model
// Context Protocol (Streamable HTTP). It returns BodyMalformed for anything else that a POST
// has, such as an array of messages, and for every body that is not posted. It returns
// BodyHeaderMismatch if a header that repeats a part of the message differs from it: the
// body is what is judged, and another server may go by the header (S-32).
func (r *Request) ReadMCP() BodyProblem {
	message, ok := r.parseMCP()
	switch {
	case !ok:
		return BodyMalformed
	case !message.matchesHeaders(r.http.Header):
		return BodyHeaderMismatch
	}
	r.mcp = message.MCP
	return ""
}

// mcpMessage is a message with what headers may repeat of it.
type mcpMessage struct {
	MCP
	name, version       string // of the tool, prompt, resource or task, and of the protocol
	hasName, hasVersion bool
}

// parseMCP parses the message. Without a body it is empty.
func (r *Request) parseMCP() (m mcpMessage, ok bool) {
	posted := r.http.Method == http.MethodPost && r.meta.Method == http.MethodPost
	if len(r.rawBody) == 0 {
		return mcpMessage{}, !posted
	}
	members, isObject := r.body.(map[string]any)
	if !posted || !isObject || !spellsExactly(members, "method", "params") {
		return mcpMessage{}, false
	}
	if m.Method, ok = textMember(members, "method"); !ok || len(m.Method) > maxMCPName {
		return mcpMessage{}, false
	}
	params, isObject := members["params"].(map[string]any)
	if !spellsExactly(params, "name", "uri", "taskId", "_meta") {
		return mcpMessage{}, false
	}
	if parameter, ok := mcpNames[m.Method]; ok {
		m.name, m.hasName = params[parameter].(string)
	}
	meta, _ := params["_meta"].(map[string]any)
	m.version, m.hasVersion = meta[mcpVersion].(string)
	if m.Method == "tools/call" {
		m.Tool = m.name
		return m, isObject && m.hasName && len(m.Tool) <= maxMCPName
	}
	return m, true
}

// mcpVersion is the member of _meta with the version of the protocol.
const mcpVersion = "io.modelcontextprotocol/protocolVersion"

// mcpNames are, by the method, the parameters that the header Mcp-Name repeats.
var mcpNames = map[string]string{
	"tools/call": "name", "prompts/get": "name", "resources/read": "uri",
	"tasks/get": "taskId", "tasks/update": "taskId", "tasks/cancel": "taskId",
}

// spellsExactly reports whether no member of an object is one of the names in other
// letters: some servers ignore case and would take it for the same member (the package
// encoding/json of Go does).
func spellsExactly(members map[string]any, names ...string) bool {
	for member := range members {
		for _, name := range names {
			if member != name && strings.EqualFold(member, name) {
				return false
			}
		}
	}
	return true
}

// textMember returns a member that is a string, or "" if it is absent.
func textMember(members map[string]any, name string) (text string, ok bool) {
	value, present := members[name]
	if !present {
		return "", true
	}
	text, ok = value.(string)
	return text, ok
}

// matchesHeaders reports whether the headers that repeat a part of the message agree with
// it. Headers that are absent do, since clients of older revisions send none.
func (m *mcpMessage) matchesHeaders(header http.Header) bool {
	for _, repeated := range []struct {
		folded, value string
		present       bool
		decode        func(string) (string, bool)
	}{
		{"mcp-method", m.Method, m.Method != "", plainText},
		{"mcp-name", m.name, m.hasName, decodeMCPName},
	} {
		lines := linesOf(header, repeated.folded)
		if len(lines) == 0 {
			continue
		}
		value, ok := repeated.decode(lines[0])
		if len(lines) > 1 || !ok || !repeated.present || value != repeated.value {
			return false
		}
	}
	versions := linesOf(header, "mcp-protocol-version") // older revisions send it beside a body without it
	return len(versions) == 0 || len(versions) == 1 && (!m.hasVersion || versions[0] == m.version)
}

// linesOf returns the lines of a header in all spellings of its name.
func linesOf(header http.Header, folded string) (lines []string) {
	for name, values := range header {
		if SameHeaderName(name, folded) {
			lines = append(lines, values...)
		}
	}
	return lines
}

func plainText(line string) (string, bool) { return line, true }

// decodeMCPName decodes the value of Mcp-Name: printable ASCII, or anything as =?base64?...?=.
// Invalid UTF-8 differs from every name, since names come from JSON.
func decodeMCPName(line string) (string, bool) {
	encoded, isEncoded := strings.CutPrefix(line, "=?base64?")
	if encoded, ends := strings.CutSuffix(encoded, "?="); isEncoded && ends {
		decoded, err := base64.StdEncoding.Strict().DecodeString(encoded)
		return string(decoded), err == nil
	}
	return line, !strings.ContainsFunc(line, func(c rune) bool { return c < ' ' || c > '~' })
}
