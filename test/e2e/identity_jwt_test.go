//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/policyauth/caddy-policy-auth/test/testenv"
)

// upstreamBlock returns the block of a language in docs/upstream.md, for a site at a
// URL.
func upstreamBlock(t *testing.T, language, site string) string {
	t.Helper()
	page, err := os.ReadFile("docs/upstream.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range testenv.BlockForm.FindAllStringSubmatch(string(page), -1) {
		if match[1] == language && match[2] != "" {
			return strings.ReplaceAll(match[3], "https://wiki.example.com/.policy_auth/jwks", site+"/.policy_auth/jwks")
		}
	}
	t.Fatalf("docs/upstream.md has no block %s", language)
	return ""
}

// middlewares runs the two middlewares of docs/upstream.md, and returns their addresses.
func middlewares(t *testing.T, site string) []string {
	t.Helper()
	dir, addresses := t.TempDir(), []string{"127.0.0.1:" + port(t), "127.0.0.1:" + port(t)}
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "upstream")
	script := filepath.Join(os.Getenv("POLICY_AUTH_NPM"), fmt.Sprintf("identify-%d.mjs", os.Getpid()))
	t.Cleanup(func() { _ = os.Remove(script) })
	for path, text := range map[string]string{source: upstreamBlock(t, "go", site), script: upstreamBlock(t, "js", site)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	run(t, exec.CommandContext(t.Context(), program, addresses[0]))
	run(t, node(t, script, addresses[1]))
	for _, address := range addresses {
		eventually(t, address+" answers", func() bool {
			response, err := http.Get("http://" + address)
			if err == nil {
				_ = response.Body.Close()
			}
			return err == nil
		})
	}
	return addresses
}

// TestE2E_S22Middlewares: S-22. The Go and the Node middleware of the manual know callers by
// the JWT over a rotation of the keys, with those that they fetched before, and reject what
// others made; clients cannot send one of their own.
func TestE2E_S22Middlewares(t *testing.T) {
	data := t.TempDir()
	t.Setenv("XDG_DATA_HOME", data)
	w := newEnv(t)
	listen, admin := "127.0.0.1:"+port(t), "127.0.0.1:"+port(t)
	upstreams := middlewares(t, "http://"+listen)
	proxies := fmt.Sprintf("@node header X-Up node\n reverse_proxy @node %s\n reverse_proxy %s\n", upstreams[1], upstreams[0])
	w.Write("Caddyfile", fmt.Sprintf("{\n admin %s\n auto_https off\n}\nhttp://%s {\npolicy_auth {\n%sidentity_jwt {\n issuer https://wiki.example.com\n audience https://wiki.internal\n }\n}\n%s}\n",
		admin, listen, strings.ReplaceAll(basicSite, "DIR", w.Dir), proxies))
	keys := filepath.Join(data, "caddy", "policy_auth", "identity_jwt.keys")
	validate := exec.CommandContext(t.Context(), binary(t), "validate", "--config", "Caddyfile")
	validate.Dir = w.Dir
	if output, err := validate.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if _, err := os.Stat(keys); !os.IsNotExist(err) {
		t.Errorf("validate made keys: %v", err)
	}
	kids := map[string]bool{}
	for phase, ages := range [][]time.Duration{nil, {30 * 24 * time.Hour}, {31 * 24 * time.Hour, time.Hour}} {
		age(t, keys, ages)
		s := start(t, w.Dir, "Caddyfile", admin)
		for _, up := range []string{"go", "node"}[:min(2, 2*phase)] { // the first phase only makes a key
			forged, err := jwt.New(jwt.SigningMethodNone).SignedString(jwt.UnsafeAllowNoneSignatureType)
			if err != nil {
				t.Fatal(err)
			}
			for user, want := range map[string]string{"alice": "hello alice", "": "hello stranger"} {
				status, _, body := do(t, "GET", "http://"+listen+"/public/x", user, "X-Up", up, "X-Identity-JWT", forged, "x_identity_jwt", forged)
				if status != 200 || !strings.HasPrefix(body, want) {
					t.Errorf("phase %d, %s: %d %s, want %s", phase, up, status, body, want)
				}
			}
			address := upstreams[map[string]int{"go": 0, "node": 1}[up]]
			if status, _, _ := do(t, "GET", "http://"+address+"/", "", "X-Identity-JWT", forged); status != 401 {
				t.Errorf("%s accepts a forged JWT: %d", up, status)
			}
		}
		_, h, body := do(t, "GET", "http://"+listen+"/.policy_auth/jwks", "")
		var set struct{ Keys []struct{ Kid, D string } }
		if err := json.Unmarshal([]byte(body), &set); err != nil || h.Get("Cache-Control") != "public, max-age=3600" {
			t.Fatalf("%v %v %s", err, h, body)
		}
		for _, key := range set.Keys {
			if kids[key.Kid] = true; key.D != "" {
				t.Error("a private key is published")
			}
		}
		s.stop()
		if log := s.logged(); strings.Contains(log, "problem") {
			t.Error(log)
		}
	}
	if len(kids) != 2 {
		t.Errorf("%d keys were published", len(kids))
	}
	if info, err := os.Stat(keys); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}

// age makes the keys of a file as if they had begun to sign some time ago.
func age(t *testing.T, path string, ages []time.Duration) {
	t.Helper()
	if ages == nil {
		return
	}
	var document struct {
		Keys []struct {
			Key   json.RawMessage `json:"key"`
			Start time.Time       `json:"start"`
		} `json:"keys"`
	}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &document)
	}
	if err != nil || len(document.Keys) != len(ages) {
		t.Fatalf("%v %d keys", err, len(document.Keys))
	}
	for i, age := range ages {
		document.Keys[i].Start = time.Now().Add(-age)
	}
	if text, err = json.Marshal(document); err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestE2E_S22Grafana: S-22. What the settings of Grafana in the manual expect of a JWT is
// what the site of the manual sends.
func TestE2E_S22Grafana(t *testing.T) {
	w := newEnv(t)
	_, site := w.serve("policy_auth {\n" + basicSite + "identity_jwt {\n issuer https://wiki.example.com\n audience https://wiki.internal\n }\n}\nrespond `{http.request.header.X-Identity-JWT}`")
	settings := map[string]string{}
	for line := range strings.Lines(upstreamBlock(t, "ini", site)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " = "); ok {
			settings[name] = value
		}
	}
	if settings["header_name"] != "X-Identity-JWT" || settings["jwk_set_url"] != site+"/.policy_auth/jwks" {
		t.Errorf("%v", settings)
	}
	var expected map[string]any
	if err := json.Unmarshal([]byte(settings["expect_claims"]), &expected); err != nil {
		t.Fatal(err)
	}
	_, _, token := do(t, "GET", site+"/", "alice")
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(token, claims); err != nil {
		t.Fatal(err)
	}
	for name, want := range expected {
		if claims[name] != want {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
	if claims[settings["username_claim"]] != "alice" || !strings.Contains(settings["role_attribute_path"], "roles[*]") || fmt.Sprint(claims["roles"]) != "[admin member]" {
		t.Errorf("%v", claims)
	}
}

// TestE2E_S22Validate: S-22. Two sites with one audience, and a site whose origin is not
// known, are errors of validate; the origin of a site's address is known.
func TestE2E_S22Validate(t *testing.T) {
	w := newEnv(t)
	site := func(address, audience string) string {
		return address + " {\npolicy_auth {\n" + strings.ReplaceAll(basicSite, "DIR", w.Dir) + "identity_jwt {\n audience " + audience + "\n }\n}\nrespond x\n}\n"
	}
	for want, config := range map[string]string{
		"Valid configuration":       site("a.example.com", "a") + site("b.example.com", "b") + site("https://c.example.com:443", "c"),
		"is used by two sites":      site("a.example.com", "a") + site("b.example.com", "a"),
		"issuer: cannot be derived": site("a.example.com:8443", "a"),
	} {
		w.Write("Caddyfile", config)
		cmd := exec.CommandContext(t.Context(), binary(t), "validate", "--config", "Caddyfile")
		cmd.Dir = w.Dir
		if output, _ := cmd.CombinedOutput(); !strings.Contains(string(output), want) {
			t.Errorf("%s: want %q", output, want)
		}
	}
}
