package request

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// readMCP reads a request as a message of the Model Context Protocol.
func readMCP(t testing.TB, r *http.Request) (MCP, BodyProblem) {
	t.Helper()
	req := New(r, Metadata{ID: func() string { return "" }, ClientIP: "192.0.2.1"}, new(Config))
	problem, err := req.ReadBody(t.Context(), DefaultBodyLimits)
	if err != nil {
		t.Fatal(err)
	}
	if problem == "" {
		problem = req.ReadMCP()
	}
	req.ReleaseBody()
	return req.Fields(req.Readings()[0], AllFields).MCP, problem
}

// posted is a message as clients post it, with headers.
func posted(body string, header ...string) *http.Request {
	r := httptest.NewRequest("POST", "/mcp", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header[header[i]] = append(r.Header[header[i]], header[i+1])
	}
	return r
}

const greet = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet","arguments":{"name":"you"}}}`

// TestS32ReadMCP: a body is one message or refused; what two servers may read in two ways
// is refused, too.
func TestS32ReadMCP(t *testing.T) {
	call := MCP{"tools/call", "greet"}
	tests := []struct {
		name    string
		r       *http.Request
		want    MCP
		problem BodyProblem
	}{
		{"S-32 a call", posted(greet), call, ""},
		{"S-32 a call with escapes", posted(`{"method":"tools\/c\u0061ll","params":{"n\u0061me":"greet"}}`), call, ""},
		{"S-32 a request without params", posted(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`), MCP{Method: "tools/list"}, ""},
		{"S-32 a notification", posted(`{"jsonrpc":"2.0","method":"notifications/initialized"}`), MCP{Method: "notifications/initialized"}, ""},
		{"S-32 a response", posted(`{"jsonrpc":"2.0","id":1,"result":{"method":"tools/call"}}`), MCP{}, ""},
		{"S-32 a tool of another method", posted(`{"method":"prompts/get","params":{"name":"greet"}}`), MCP{Method: "prompts/get"}, ""},
		{"S-32 params that are a list, of another method", posted(`{"method":"x","params":["tools/call"]}`), MCP{Method: "x"}, ""},
		{"S-32 an array", posted("[" + greet + "]"), MCP{}, BodyMalformed},
		{"S-32 an empty array", posted("[]"), MCP{}, BodyMalformed},
		{"S-32 a text", posted(`"tools/list"`), MCP{}, BodyMalformed},
		{"S-32 null", posted("null"), MCP{}, BodyMalformed},
		{"S-32 nothing", posted(""), MCP{}, BodyMalformed},
		{"S-32 no JSON", posted("method=tools/list"), MCP{}, BodyMalformed},
		{"S-32 JSON of another type", posted(greet, "Content-Type", "text/plain"), MCP{}, BodyMalformed},
		{"S-32 trailing data", posted(greet + greet), MCP{}, BodyMalformed},
		{"S-32 a byte order mark", posted("\uFEFF" + greet), MCP{}, BodyMalformed},
		{"S-32 UTF-16", posted("\xff\xfe{\x00}\x00"), MCP{}, BodyMalformed},
		{"S-32 a member twice", posted(`{"method":"tools/list","method":"tools/call","params":{"name":"greet"}}`), MCP{}, BodyMalformed},
		{"S-32 a member twice by an escape", posted(`{"method":"tools/call","params":{"name":"greet","na\u006de":"other"}}`), MCP{}, BodyMalformed},
		{"S-32 a member twice in arguments", posted(`{"method":"tools/call","params":{"name":"greet","arguments":{"a":1,"a":2}}}`), MCP{}, BodyMalformed},
		{"S-32 a method in capitals beside it", posted(`{"method":"tools/list","METHOD":"tools/call"}`), MCP{}, BodyMalformed},
		{"S-32 params in capitals alone", posted(`{"method":"tools/list","Params":{}}`), MCP{}, BodyMalformed},
		{"S-32 a name in another case", posted(`{"method":"tools/call","params":{"name":"greet","Name":"other"}}`), MCP{}, BodyMalformed},
		{"S-32 a letter that folds to one", posted(`{"method":"tools/call","params":{"name":"greet","ta\u017fkId":"x"}}`), MCP{}, BodyMalformed},
		{"S-32 a method that is a number", posted(`{"method":1}`), MCP{}, BodyMalformed},
		{"S-32 a method that is null", posted(`{"method":null}`), MCP{}, BodyMalformed},
		{"S-32 a long method", posted(`{"method":"` + strings.Repeat("x", maxMCPName+1) + `"}`), MCP{}, BodyMalformed},
		{"S-32 a call without params", posted(`{"method":"tools/call"}`), MCP{}, BodyMalformed},
		{"S-32 a call with a list", posted(`{"method":"tools/call","params":["greet"]}`), MCP{}, BodyMalformed},
		{"S-32 a call of nothing", posted(`{"method":"tools/call","params":{}}`), MCP{}, BodyMalformed},
		{"S-32 a call of a number", posted(`{"method":"tools/call","params":{"name":7}}`), MCP{}, BodyMalformed},
		{"S-32 a call of a long name", posted(`{"method":"tools/call","params":{"name":"` + strings.Repeat("x", maxMCPName+1) + `"}}`), MCP{}, BodyMalformed},
		{"S-32 a compressed body", posted("\x1f\x8b", "Content-Encoding", "gzip"), MCP{}, BodyEncoded},
		{"S-32 an encoding without effect", posted(greet, "Content-Encoding", "identity"), MCP{}, BodyEncoded},
		{"S-32 a deep body", posted(`{"method":"tools/call","params":` + strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000) + "}"), MCP{}, BodyTooComplex},
		{"S-32 a body of too many values", posted(`{"method":"tools/call","params":{"name":"greet","arguments":[` + strings.Repeat("0,", 30_000) + `0]}}`), MCP{}, BodyTooComplex},
		{"S-32 a body that is too large", posted(`{"method":"tools/call","params":{"name":"` + strings.Repeat("x", 1<<20) + `"}}`), MCP{}, BodyTooLarge},
		{"S-32 GET", httptest.NewRequest("GET", "/mcp", nil), MCP{}, ""},
		{"S-32 DELETE", httptest.NewRequest("DELETE", "/mcp", nil), MCP{}, ""},
		{"S-32 GET with a body", httptest.NewRequest("GET", "/mcp", strings.NewReader(greet)), MCP{}, BodyMalformed},
		{"S-32 PUT", httptest.NewRequest("PUT", "/mcp", strings.NewReader(greet)), MCP{}, BodyMalformed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if strings.Contains(test.name, "another type") {
				test.r.Header["Content-Type"] = []string{"text/plain"}
			}
			got, problem := readMCP(t, test.r)
			if diff := cmp.Diff(test.want, got); diff != "" || problem != test.problem {
				t.Errorf("%s %s, want %s", diff, problem, test.problem)
			}
		})
	}
}

// TestS32Charset: JSON is UTF-8, whatever its type says; what says otherwise is refused,
// since a server may decode it.
func TestS32Charset(t *testing.T) {
	for contentType, want := range map[string]BodyProblem{
		"application/json": "", "application/json; charset=UTF-8": "", "application/json;charset=utf8": "", "application/json; charset=us-ascii": "",
		"application/json; charset=utf-7": BodyMalformed, "application/json; charset=utf-16": BodyMalformed, "application/json; charset=shift_jis": BodyMalformed,
		"application/vnd.x+json; charset=utf-7": BodyMalformed,
	} {
		r := posted(greet)
		r.Header["Content-Type"] = []string{contentType}
		if _, problem := readMCP(t, r); problem != want {
			t.Errorf("S-32 %s: %q, want %q", contentType, problem, want)
		}
	}
}

// TestS32Headers: a header that repeats a part of the message and differs is refused, in
// every spelling (Streamable HTTP, "Server Validation").
func TestS32Headers(t *testing.T) {
	const list, read, odd = `{"method":"tools/list"}`, `{"method":"resources/read","params":{"uri":"file:///a","name":"b"}}`, `{"method":"tools/call","params":{"name":"世界"}}`
	const versioned = `{"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`
	tests := []struct {
		name, body string
		header     []string
		fits       bool
	}{
		{"all of them", greet, []string{"Mcp-Method", "tools/call", "Mcp-Name", "greet", "Mcp-Protocol-Version", "2026-07-28"}, true},
		{"another method", greet, []string{"Mcp-Method", "tools/list"}, false},
		{"a method in another case", greet, []string{"Mcp-Method", "Tools/Call"}, false},
		{"an empty method", greet, []string{"Mcp-Method", ""}, false},
		{"the method twice", greet, []string{"Mcp-Method", "tools/call", "Mcp-Method", "tools/call"}, false},
		{"two spellings", greet, []string{"Mcp-Method", "tools/call", "Mcp_method", "tools/call"}, false},
		{"another spelling", greet, []string{"MCP_NAME", "other"}, false},
		{"another spelling that agrees", greet, []string{"MCP_NAME", "greet"}, true},
		{"another name", greet, []string{"Mcp-Name", "other"}, false},
		{"a name of no name", list, []string{"Mcp-Name", "greet"}, false},
		{"an empty name of no name", list, []string{"Mcp-Name", ""}, false},
		{"a resource", read, []string{"Mcp-Name", "file:///a"}, true},
		{"the name of a resource", read, []string{"Mcp-Name", "b"}, false},
		{"an encoded name", odd, []string{"Mcp-Name", "=?base64?5LiW55WM?="}, true},
		{"an encoded name of ASCII", greet, []string{"Mcp-Name", "=?base64?Z3JlZXQ=?="}, true},
		{"another encoded name", odd, []string{"Mcp-Name", "=?base64?Z3JlZXQ=?="}, false},
		{"an encoding in capitals", greet, []string{"Mcp-Name", "=?BASE64?Z3JlZXQ=?="}, false},
		{"a bad encoding", greet, []string{"Mcp-Name", "=?base64?Z3JlZXR=?="}, false},
		{"no padding", greet, []string{"Mcp-Name", "=?base64?Z3JlZXQ?="}, false},
		{"an encoding that is not UTF-8", greet, []string{"Mcp-Name", "=?base64?/w==?="}, false},
		{"a name that is not ASCII", odd, []string{"Mcp-Name", "世界"}, false},
		{"a name that looks encoded", `{"method":"tools/call","params":{"name":"=?base64?Z3JlZXQ=?="}}`, []string{"Mcp-Name", "=?base64?Z3JlZXQ=?="}, false},
		{"the version", versioned, []string{"Mcp-Protocol-Version", "2026-07-28"}, true},
		{"another version", versioned, []string{"Mcp-Protocol-Version", "2025-11-25"}, false},
		{"two versions", list, []string{"Mcp-Protocol-Version", "2025-11-25", "Mcp-Protocol-Version", "2026-07-28"}, false},
		{"a version of an older revision", list, []string{"Mcp-Protocol-Version", "2025-11-25"}, true},
		{"a session of an older revision", list, []string{"Mcp-Session-Id", "x"}, true},
	}
	for _, test := range tests {
		want := BodyHeaderMismatch
		if test.fits {
			want = ""
		}
		if got, problem := readMCP(t, posted(test.body, test.header...)); problem != want || (got == MCP{}) == test.fits {
			t.Errorf("S-32 %s: %q %v, want %q", test.name, problem, got, want)
		}
	}
	r := httptest.NewRequest("GET", "/mcp", nil)
	r.Header.Set("Mcp-Method", "tools/call")
	if _, problem := readMCP(t, r); problem != BodyHeaderMismatch || problem.Status() != http.StatusBadRequest {
		t.Errorf("S-32 the method of no message: %q", problem)
	}
}

// TestS32Bounds: the largest body of many members takes no longer than its size suggests.
func TestS32Bounds(t *testing.T) {
	body := strings.Builder{}
	body.WriteString(`{"method":"tools/call","params":{"name":"greet"`)
	for i := range 15_000 {
		body.WriteString(`,"` + strings.Repeat("n", 40) + string(rune('a'+i%26)) + time.Duration(i).String() + `":0`)
	}
	body.WriteString("}}")
	start := time.Now()
	if got, problem := readMCP(t, posted(body.String())); problem != "" || got.Tool != "greet" || time.Since(start) > 5*time.Second {
		t.Errorf("S-32 %q %v after %s", problem, got, time.Since(start))
	}
}

// FuzzReadMCP: no body panics; what is taken is one object whose method and tool any other
// reader of JSON finds, too.
//
// S-32, T-66
func FuzzReadMCP(f *testing.F) {
	for _, seed := range []string{greet, "[" + greet + "]", `{"method":"tools/list"}`, `{"method":"tools/call","params":{"na\u006de":"greet","name":"x"}}`, "\uFEFF{}", `{"Method":"x","method":"y"}`} {
		f.Add([]byte(seed), "greet", "application/json")
	}
	f.Fuzz(func(t *testing.T, body []byte, name, contentType string) {
		r := posted(string(body))
		r.Header["Content-Type"] = []string{contentType}
		r.Header["Mcp-Name"] = []string{name}
		got, problem := readMCP(t, r)
		if problem != "" {
			if got != (MCP{}) {
				t.Fatalf("%v of a refused body", got)
			}
			return
		}
		var lax struct { // by which case does not matter and the last of two members counts
			Method string
			Params json.RawMessage
		}
		if err := json.Unmarshal(body, &lax); err != nil || lax.Method != got.Method {
			t.Fatalf("%q %v: %q", lax.Method, err, got.Method)
		}
		if got.Method != "tools/call" {
			return
		}
		var params struct{ Name string }
		if err := json.Unmarshal(lax.Params, &params); err != nil || params.Name != got.Tool {
			t.Fatalf("%q %v: %q", params.Name, err, got.Tool)
		}
		if decoded, ok := decodeMCPName(name); !ok || decoded != got.Tool {
			t.Fatalf("Mcp-Name %q of %q", name, got.Tool)
		}
	})
}
