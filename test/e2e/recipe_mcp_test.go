//go:build e2e

package e2e

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestE2EExampleMCP runs examples/mcp. Clients of two generations, which know its URL
// alone, find the issuer, register, get a token and call tools; each is refused one.
//
// R-PRM-1, R-PRM-4, R-PRM-5, R-PRM-8, S-32
func TestE2EExampleMCP(t *testing.T) {
	listen, admin := port(t), "127.0.0.1:"+port(t)
	endpoint := "http://localhost:" + listen + "/mcp"
	dir := t.TempDir()
	content, err := os.ReadFile("examples/mcp/server.mjs")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "server.mjs"), content, 0o600)
	}
	if err == nil {
		err = os.Symlink(filepath.Join(os.Getenv("POLICY_AUTH_NPM"), "node_modules"), filepath.Join(dir, "node_modules"))
	}
	if err != nil {
		t.Fatal(err)
	}
	server := node(t, filepath.Join(dir, "server.mjs"))
	server.Env = append(os.Environ(), "MCP_PORT=0")
	t.Setenv("MCP_PORT", firstLine(t, server))
	t.Setenv("ISSUER", "http://localhost:"+firstLine(t, node(t, "mcp_issuer.mjs", endpoint)))
	t.Setenv("PORT", listen)
	t.Setenv("ADMIN", admin)
	s := start(t, ".", "examples/mcp/Caddyfile", admin)
	output, err := node(t, "mcp_clients.mjs", endpoint).CombinedOutput()
	if done := strings.Count(string(output), ": done"); err != nil || done != 9 {
		t.Fatalf("%d of 9 walks: %v\n%s", done, err, output)
	}
	for _, reason := range []string{"credentials_missing", "insufficient_scope", "policy_denied"} {
		if !strings.Contains(s.logged(), `"reason":"`+reason+`"`) {
			t.Errorf("no client was refused with %s", reason)
		}
	}
}

// TestE2ERecipeMCP runs docs/recipes/mcp.md with what clients send, and with what they
// should not.
//
// R-CSRF-3, R-CORS-24, R-PRM-1, R-PRM-4, R-PRM-8, S-32
func TestE2ERecipeMCP(t *testing.T) {
	provider, tools := newProvider(t), newApp(t, nil)
	r := newRecipe(t, "mcp", "localhost:9000", tools.address, "https://id.example.com", provider.URL)
	r.serve()
	const endpoint, inspector = "https://mcp.example.com/mcp", "https://inspector.example.com"
	v := r.from(t, outside)
	token := func(claims map[string]any) string {
		all := map[string]any{"aud": endpoint, "client_id": "app", "scope": "mcp"}
		maps.Copy(all, claims)
		return bearer(provider, all)
	}
	post := func(status int, body string, header ...string) string {
		t.Helper()
		tools.last()
		got, answer, page := v.send("POST", endpoint, body, append([]string{"Content-Type", "application/json"}, header...)...)
		if reached := tools.last(); got != status || (reached != nil) != (status == 200) || reached != nil && reached.Header.Get("Authorization") != "" {
			t.Errorf("%s %v: %d, want %d\n%s", body, header, got, status, page)
		}
		return answer.Get("WWW-Authenticate")
	}
	call := func(tool string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `","arguments":{}}}`
	}
	auth := []string{"Authorization", token(nil)}
	if got := post(401, call("search")); !strings.Contains(got, `scope="mcp"`) || !strings.Contains(got, `resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"`) {
		t.Errorf("the challenge %q", got)
	}
	if status, header, body := v.ask("GET", "https://mcp.example.com/.well-known/oauth-protected-resource/mcp", "Origin", "https://any.example"); status != 200 || header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(body, provider.URL) {
		t.Errorf("the metadata: %d %v %s", status, header, body)
	}
	post(200, call("search"), auth...)
	post(200, call("read_file"), append(auth, "Mcp-Method", "tools/call", "Mcp-Name", "read_file")...)
	post(200, `{"jsonrpc":"2.0","id":1,"method":"server/discover"}`, auth...)
	if got := post(403, call("write_file"), auth...); !strings.Contains(got, `error="insufficient_scope"`) || !strings.Contains(got, `scope="mcp mcp.write"`) {
		t.Errorf("a tool for another scope: %q", got)
	}
	post(200, call("write_file"), "Authorization", token(map[string]any{"scope": "mcp mcp.write"}))
	if got := post(403, call("delete_all"), auth...); got != "" {
		t.Errorf("a tool of administrators: %q", got)
	}
	admin := map[string]any{"roles": []string{"admin"}}
	post(403, call("delete_all"), "Authorization", token(admin))
	admin["client_id"] = "https://app.example.com/client.json"
	post(200, call("delete_all"), "Authorization", token(admin))
	post(401, call("search"), "Authorization", token(map[string]any{"aud": "https://mcp.example.com"}))
	wrongMessages(t, post, call, auth)

	post(403, call("search"), append(auth, "Origin", "https://evil.example")...)
	post(403, call("search"), append(auth, "Origin", "null")...)
	post(200, call("search"), append(auth, "Origin", inspector)...)
	if status, header, _ := v.ask("OPTIONS", endpoint, "Origin", inspector, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type,mcp-method,mcp-name,mcp-protocol-version"); status != 204 || header.Get("Access-Control-Allow-Origin") != inspector {
		t.Errorf("a preflight: %d %v", status, header)
	}
	explained(t, r)
}

// wrongMessages are posted with a token for which no other tool than search is refused.
func wrongMessages(t *testing.T, post func(int, string, ...string) string, call func(string) string, auth []string) {
	t.Helper()
	for body, status := range map[string]int{
		"[" + call("search") + "]": 400, "": 400, "search": 400, call("search") + call("delete_all"): 400, "\uFEFF" + call("search"): 400,
		`{"method":"tools/call","params":{"name":"delete_all","na\u006de":"search"}}`:                                  400,
		`{"method":"tools/call","params":{"Name":"delete_all","name":"search"}}`:                                       400,
		`{"method":"resources/read","params":{"uri":"file:///etc/passwd"}}`:                                            403,
		`{"method":"tools/call","params":` + strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000) + "}": 413,
		`{"method":"tools/call","params":{"name":"search","a":"` + strings.Repeat("x", 1<<20) + `"}}`:                  413,
	} {
		post(status, body, auth...)
	}
	for status, header := range map[int][]string{
		400: {"Mcp-Name", "search"}, 415: {"Content-Encoding", "gzip"},
	} {
		post(status, call("delete_all"), append(header, auth...)...)
	}
	post(400, call("search"), "Content-Type", "application/json; charset=utf-7", auth[0], auth[1])
}

// explained asks why a tool was refused.
func explained(t *testing.T, r *recipe) {
	t.Helper()
	line := ""
	for candidate := range strings.SplitSeq(r.logged(), "\n") {
		if strings.Contains(candidate, `"reason":"policy_denied"`) {
			line = candidate
		}
	}
	_, id, _ := strings.Cut(line, `"request_id":"`)
	id, _, _ = strings.Cut(id, `"`)
	cmd := exec.Command(binary(t), "policy-auth", "explain", id, "--address", strings.TrimPrefix(r.admin, "http://"))
	output, _ := cmd.CombinedOutput() // it ends with 1 for a denial
	if !strings.Contains(string(output), "tools") || !strings.Contains(string(output), "resources/read") && !strings.Contains(string(output), "tools/call delete_all") {
		t.Errorf("%s is explained as\n%s", line, output)
	}
}
