//go:build e2e

package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
)

// startRegistry runs Docker's registry in a folder and returns its address.
func (w *env) startRegistry() string {
	w.T.Helper()
	address := "127.0.0.1:" + port(w.T)
	w.Write("registry.yml", "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: "+w.Dir+"/registry\nhttp:\n  addr: "+address+"\n")
	run(w.T, exec.Command("docker-registry", "serve", w.Dir+"/registry.yml"))
	eventually(w.T, "the registry answers", func() bool {
		answer, err := http.Get("http://" + address + "/v2/")
		if err == nil {
			_ = answer.Body.Close()
		}
		return err == nil
	})
	return address
}

// run starts a program and ends it with the test.
func run(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

// writeImage writes an image without layers (OCI image layout).
func (w *env) writeImage(dir string) {
	w.T.Helper()
	blob := func(kind string, content any) map[string]any {
		encoded, err := json.Marshal(content)
		if err != nil {
			w.T.Fatal(err)
		}
		digest := fmt.Sprintf("%x", sha256.Sum256(encoded))
		w.Write(dir+"/blobs/sha256/"+digest, string(encoded))
		return map[string]any{"mediaType": kind, "digest": "sha256:" + digest, "size": len(encoded)}
	}
	config := blob("application/vnd.oci.image.config.v1+json", map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{}, "rootfs": map[string]any{"type": "layers", "diff_ids": []string{}},
	})
	const manifestType = "application/vnd.oci.image.manifest.v1+json"
	manifest := blob(manifestType, map[string]any{"schemaVersion": 2, "mediaType": manifestType, "config": config, "layers": []any{}})
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []any{manifest}})
	if err != nil {
		w.T.Fatal(err)
	}
	w.Write(dir+"/index.json", string(index))
	w.Write(dir+"/oci-layout", `{"imageLayoutVersion": "1.0.0"}`)
}

// TestE2E_N42Registry: a client of registries pushes and pulls through a site with basic
// and jwt, and sees no Bearer challenge, which Docker's own takes for a token
// service.
//
// R-401-1
func TestE2E_N42Registry(t *testing.T) {
	w := newEnv(t)
	registry := w.startRegistry()
	w.writeImage("image")
	_, url := w.serve("policy_auth {\n" + basicSite + strings.Replace(jwtSite, "audience api\n", "audience api\nchallenge off\n", 1) + "}\nreverse_proxy " + registry)
	site := strings.TrimPrefix(url, "http://")
	skopeo := func(args ...string) (string, error) {
		output, err := exec.CommandContext(t.Context(), "skopeo", append([]string{"--insecure-policy", "--tmpdir", w.Dir}, args...)...).CombinedOutput()
		return string(output), err
	}
	if output, err := skopeo("copy", "--dest-tls-verify=false", "--dest-creds", "alice:"+canary, "oci:"+w.Dir+"/image", "docker://"+site+"/app:1"); err != nil {
		t.Fatalf("push: %v\n%s", err, output)
	}
	if output, err := skopeo("inspect", "--tls-verify=false", "--creds", "bob:"+canary, "docker://"+site+"/app:1"); err != nil || !strings.Contains(output, `"Architecture": "amd64"`) {
		t.Errorf("pull: %v\n%s", err, output)
	}
	if output, err := skopeo("inspect", "--tls-verify=false", "--creds", "bob:wrong", "docker://"+site+"/app:1"); err == nil {
		t.Errorf("a wrong password pulls:\n%s", output)
	}
	if status, header, _ := do(t, "GET", "http://"+site+"/v2/", ""); status != 401 || len(header["Www-Authenticate"]) != 1 || !strings.HasPrefix(header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("%d %v", status, header)
	}
	if status, _, _ := do(t, "GET", "http://"+site+"/v2/", "", "Authorization", "Bearer "+jwtOf(t, nil)); status != 200 {
		t.Errorf("a token is not accepted: %d", status)
	}
}
