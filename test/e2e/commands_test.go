//go:build e2e

package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/test/testenv"
)

// policyAuth runs caddy policy-auth in a directory and returns its standard output.
func policyAuth(t testing.TB, dir, input string, args ...string) string {
	t.Helper()
	cmd := exec.Command(binary(t), append([]string{"policy-auth"}, args...)...)
	var prose bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, strings.NewReader(input), &prose
	results, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s%s", args, err, results, prose.String())
	}
	return string(results)
}

// TestE2ECommands: what init makes runs, and users and keys that commands change
// count from then on, without a restart (R-BA-8, R-KEY-2, T-61).
func TestE2ECommands(t *testing.T) {
	work := t.TempDir()
	var site struct{ User, Password string }
	if err := json.Unmarshal([]byte(policyAuth(t, work, "", "init", "site", "--json")), &site); err != nil {
		t.Fatal(err)
	}
	dir, admin, listen := filepath.Join(work, "site"), "127.0.0.1:"+port(t), port(t)
	edit := func(replacements ...string) {
		t.Helper()
		config, err := os.ReadFile(filepath.Join(dir, "Caddyfile"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "Caddyfile"), []byte(strings.NewReplacer(replacements...).Replace(string(config))), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	edit("auto_https off", "auto_https off\n admin "+admin, "localhost:8080", "localhost:"+listen,
		"users users.yaml", "users users.yaml\n throttle 1000 1m") // since this asks until it is answered
	s := start(t, dir, "Caddyfile", admin)
	ask := func(path string, header ...string) int {
		t.Helper()
		status, _, body := do(t, "GET", "http://localhost:"+listen+path, "", header...)
		if path == "/" && status == 200 && !strings.HasPrefix(body, "Hello, ") {
			t.Errorf("got %q", body)
		}
		return status
	}
	basic := func(user, password string) []string {
		return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}
	}
	becomes := func(want int, path string, header ...string) {
		t.Helper()
		eventually(t, path+" is answered so", func() bool { return ask(path, header...) == want })
	}

	// What init makes: somebody known, nobody known, and the page of one's own.
	first := basic(site.User, site.Password)
	for path, want := range map[string]int{"/": 200, "/admin/": 200, "/healthz": 200} {
		if got := ask(path, first...); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	if status, _, page := do(t, "GET", "http://localhost:"+listen+"/", "", "Accept", "text/html"); status != 401 || !strings.Contains(page, "<small>Example · ") {
		t.Errorf("%d %s", status, page)
	}

	// Users.
	policyAuth(t, dir, "correct horse\n", "user", "add", "bob", "--roles", "member")
	bob := basic("bob", "correct horse")
	becomes(200, "/people/bob/notes", bob...)
	if got := ask("/admin/", bob...); got != 403 {
		t.Errorf("bob at /admin/: %d", got)
	}
	policyAuth(t, dir, "", "user", "disable", "bob")
	becomes(401, "/", bob...)
	policyAuth(t, dir, "", "user", "enable", "bob")
	becomes(200, "/", bob...)
	made := strings.TrimSpace(policyAuth(t, dir, "", "user", "password", "bob", "--generate"))
	becomes(200, "/", basic("bob", made)...)
	becomes(401, "/", bob...)

	// Keys, once the site takes some.
	one := strings.TrimSpace(policyAuth(t, dir, "", "key", "add", "ci", "--roles", "member"))
	edit("# api_key {", "api_key {", "#\tkeys keys.yaml", "keys keys.yaml", "# }", "}")
	reload := exec.Command(binary(t), "reload", "--config", "Caddyfile", "--address", admin)
	reload.Dir = dir
	if output, err := reload.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	becomes(200, "/", "X-API-Key", one)
	two := strings.TrimSpace(policyAuth(t, dir, "", "key", "add", "backup"))
	becomes(200, "/", "X-API-Key", two)
	policyAuth(t, dir, "", "key", "disable", "ci")
	becomes(401, "/", "X-API-Key", one)
	if got := ask("/", "X-API-Key", two); got != 200 {
		t.Errorf("the other key: %d", got)
	}
	for _, secret := range []string{site.Password, "correct horse", made, one, two} {
		if strings.Contains(s.logged(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// TestE2EReadmeInit does what the README says first: a site that is made runs,
// and its user gets in.
func TestE2EReadmeInit(t *testing.T) {
	dir, password, steps := t.TempDir(), "", 0
	bin := t.TempDir()
	if err := os.Symlink(binary(t), filepath.Join(bin, "caddy")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	for _, block := range testenv.Blocks(t, ".", "console", "init") {
		for _, step := range strings.Split("\n"+block, "\n$ ")[1:] {
			command, promised, _ := strings.Cut(step, "\n")
			steps++
			switch command {
			case "cd site && caddy run":
				start(t, filepath.Join(dir, "site"), "Caddyfile", "localhost:2019")
				continue
			case "cd site":
				dir = filepath.Join(dir, "site")
				continue
			}
			bash := exec.CommandContext(t.Context(), "bash", "-c", strings.Replace(command, "-u admin ", "-u admin:"+password+" ", 1))
			bash.Dir = dir
			output, err := bash.CombinedOutput()
			if err != nil {
				t.Fatalf("$ %s\n%v\n%s", command, err, output)
			}
			if _, after, found := strings.Cut(string(output), "password: "); found {
				password = strings.TrimSpace(after)
			}
			for line := range strings.Lines(promised) {
				if line = strings.TrimSuffix(strings.TrimSpace(line), "…"); !strings.Contains(string(output), line) {
					t.Errorf("$ %s\npromises %q, got:\n%s", command, line, output)
				}
			}
		}
	}
	if steps < 7 {
		t.Errorf("only %d steps", steps)
	}
}
