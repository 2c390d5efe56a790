//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// node returns a command that runs a script of test/e2e/npm, in the copy of that
// folder that POLICY_AUTH_NPM names, in which npm ci has run.
func node(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	dir := os.Getenv("POLICY_AUTH_NPM")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); dir == "" || err != nil {
		t.Fatal("POLICY_AUTH_NPM does not name a copy of test/e2e/npm in which npm ci has run")
	}
	cmd := exec.CommandContext(t.Context(), "node", args...)
	cmd.Dir = dir
	return cmd
}

// firstLine runs a program until the test ends, and returns the first line that it prints,
// without its end. What it writes to stderr is shown if the test fails.
func firstLine(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	problems := new(bytes.Buffer)
	cmd.Stderr = problems
	t.Cleanup(func() { // after run has ended the program
		if t.Failed() {
			t.Log(problems)
		}
	})
	run(t, cmd)
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// TestE2E_N48Clients: clients of the Model Context Protocol, old and new, of
// WebSockets, event streams and gRPC are refused without a token in a way that
// they understand, and served with one.
//
// R-PRM-4, R-PRM-5, R-CSRF-3
func TestE2E_N48Clients(t *testing.T) {
	w := newEnv(t)
	web, rpc, _ := strings.Cut(firstLine(t, node(t, "upstream.mjs")), " ")
	admin, listen := "127.0.0.1:"+port(t), port(t)
	auth := strings.Replace(jwtSite, "audience api\n", "audience api\nresource http://127.0.0.1:"+listen+"/mcp {\n scopes tools\n }\n", 1)
	w.Write("Caddyfile", fmt.Sprintf("{\n admin %s\n auto_https off\n servers {\n protocols h1 h2 h2c\n }\n}\nhttp://127.0.0.1:%s {\npolicy_auth {\n%s}\nreverse_proxy /test.Greeter/* h2c://127.0.0.1:%s\nreverse_proxy 127.0.0.1:%s\n}\n", admin, listen, auth, rpc, web))
	s := start(t, w.Dir, "Caddyfile", admin)
	if output, err := node(t, "clients.mjs", "127.0.0.1:"+listen, jwtOf(t, nil)).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
	if !strings.Contains(s.logged(), `"reason":"origin_refused"`) {
		t.Error("no client was refused for its origin")
	}
}
