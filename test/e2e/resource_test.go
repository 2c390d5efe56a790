//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// TestE2E_N48Origins: pages of other origins do not reach an MCP endpoint, and a client
// that has no token is told the scopes to ask for.
//
// R-CSRF-3, R-PRM-5
func TestE2E_N48Origins(t *testing.T) {
	w := newEnv(t)
	const own = "https://mcp.example.com"
	s, url := w.serve("policy_auth {\n" + strings.Replace(jwtSite, "audience api\n", "audience api\nresource "+own+"/mcp {\n scopes tools\n }\n", 1) + "cors {\n origins " + origin + "\n }\n}\nrespond protected")
	for name, test := range map[string]struct {
		origin string
		status int
	}{
		"N-48 another origin": {"https://evil.example", 403}, "N-48 null": {"null", 403}, "N-48 its own": {own, 200}, "N-48 the Host's, by DNS rebinding": {url, 403}, "N-48 one of cors": {origin, 200},
	} {
		status, header, body := do(t, "POST", url+"/mcp", "", "Authorization", "Bearer "+jwtOf(t, nil), "Origin", test.origin)
		if status != test.status || status == 403 && (header.Get("WWW-Authenticate") != "" || strings.Contains(body, "protected")) {
			t.Errorf("%s: %d %v %s", name, status, header, body)
		}
	}
	if log := s.logged(); !strings.Contains(log, `"reason":"origin_refused"`) || !strings.Contains(log, "https://evil.example") {
		t.Error("the log does not say which origin was refused")
	}
	if _, header, _ := do(t, "POST", url+"/mcp", ""); !strings.Contains(header.Get("WWW-Authenticate"), `scope="tools"`) {
		t.Errorf("%v", header)
	}
	if _, _, body := do(t, "GET", url+"/.well-known/oauth-protected-resource/mcp", ""); !strings.Contains(body, `"scopes_supported":["tools"]`) {
		t.Error(body)
	}
}
