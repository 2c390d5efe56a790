//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// opaBuild packs a directory of policies with OPA's own command, and with flags.
func opaBuild(t *testing.T, dir, output string, flags ...string) {
	t.Helper()
	args := append([]string{"tool", "-modfile=tools/go.mod", "opa", "build", "--bundle", dir, "--output", output}, flags...)
	build := exec.CommandContext(t.Context(), "go", args...)
	build.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("opa build: %v\n%s", err, text)
	}
}

// writeSigningKey writes a private key for opa and its public key for the site, and
// returns the path of the first.
func writeSigningKey(t *testing.T, w *env, public string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, _ := x509.MarshalPKCS8PrivateKey(key)
	publicDER, _ := x509.MarshalPKIXPublicKey(&key.PublicKey)
	w.Write(public, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER})))
	private := filepath.Join(t.TempDir(), "private.pem")
	if err := os.WriteFile(private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return private
}

// TestE2EBundle: N-64. A bundle that OPA packed and signed decides, and another one that
// is renamed over it, too. One that is not signed, or by another key, does not start a
// server, and does not go live on a running one.
func TestE2EBundle(t *testing.T) {
	w := newEnv(t)
	private, foreign := writeSigningKey(t, w, "bundle.pem"), writeSigningKey(t, w, "foreign.pem")
	policy := filepath.Join(t.TempDir(), "policies")
	if err := os.Mkdir(policy, 0o700); err != nil {
		t.Fatal(err)
	}
	replace := func(rule string, flags ...string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(policy, "authz.rego"), []byte("package caddy.authz\n\nallow if "+rule+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		built := filepath.Join(w.Dir, "next.tar.gz")
		opaBuild(t, policy, built, flags...)
		if err := os.Rename(built, filepath.Join(w.Dir, "site.tar.gz")); err != nil {
			t.Fatal(err)
		}
	}
	signedBy := func(key string) []string { return []string{"--signing-key", key, "--signing-alg", "ES256"} }
	replace(`input.request.path == "/a"`, signedBy(private)...)
	s, url := w.serve("policy_auth {\npolicies DIR/site.tar.gz {\n roots caddy/authz\n verify_key DIR/bundle.pem\n}\n}\nrespond protected")
	status := func(path string) int {
		got, _, _ := do(t, "GET", url+path, "")
		return got
	}
	if status("/a") != 200 || status("/b") == 200 {
		t.Errorf("/a %d, /b %d", status("/a"), status("/b"))
	}
	replace(`input.request.path == "/b"`, signedBy(private)...)
	eventually(t, "the new bundle decides", func() bool { return status("/b") == 200 && status("/a") != 200 })
	for _, bad := range []struct {
		name, want string
		flags      []string
	}{
		{"not signed", "is not signed", nil},
		{"signed by another key", "verify JWT signature", signedBy(foreign)},
	} {
		replace("true", bad.flags...)
		if code, _, body := do(t, "POST", s.admin+"/policy_auth/policies/reload", ""); code != 422 || !strings.Contains(body, bad.want) {
			t.Errorf("%s: %d %s", bad.name, code, body)
		}
		if _, _, body := do(t, "GET", s.admin+"/policy_auth/policies", ""); !strings.Contains(body, bad.want) {
			t.Errorf("%s: the status is %s", bad.name, body)
		}
		if status("/b") != 200 || status("/a") == 200 {
			t.Errorf("%s: the bundle before is no longer in use", bad.name)
		}
		validate := exec.CommandContext(t.Context(), binary(t), "validate", "--config", "Caddyfile")
		validate.Dir = w.Dir
		if output, err := validate.CombinedOutput(); err == nil || !strings.Contains(string(output), bad.want) {
			t.Errorf("%s: %v\n%s", bad.name, err, output)
		}
	}
	w.Write("input.json", `{"request": {"path": "/b"}}`)
	if code, out, stderr := typed(t, w.Dir, "eval", "--policies", "site.tar.gz", "--input", "input.json"); code != 0 {
		t.Errorf("eval of a bundle: %d %s %s", code, out, stderr) // the last one allows everything
	}
}
