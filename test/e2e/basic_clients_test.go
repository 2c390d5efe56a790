//go:build e2e

package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestE2E_N42Programs: git, curl and rclone answer the Basic challenge of a site
// that also has tokens with challenge off and a login, and no wrong password.
//
// R-CH-1
func TestE2E_N42Programs(t *testing.T) {
	w := newEnv(t)
	command := func(dir, name string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+w.Dir, "RCLONE_CONFIG="+w.Dir+"/rclone.conf", "GIT_TERMINAL_PROMPT=0", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
		output, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(output)), err
	}
	must := func(dir, name string, args ...string) string {
		t.Helper()
		output, err := command(dir, name, args...)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, output)
		}
		return output
	}
	repository := filepath.Join(w.Dir, "www", "repo.git")
	must(w.Dir, "git", "init", "-q", "work")
	must(filepath.Join(w.Dir, "work"), "git", "commit", "-q", "--allow-empty", "-m", "first")
	must(w.Dir, "git", "clone", "-q", "--bare", "work", repository)
	must(repository, "git", "update-server-info")
	w.Write("rclone.conf", "")
	w.Write("dav/a.txt", "hello")
	dav := "127.0.0.1:" + port(t)
	run(t, exec.Command("rclone", "serve", "webdav", w.Dir+"/dav", "--addr", dav))
	eventually(t, "the WebDAV server answers", func() bool {
		answer, err := http.Get("http://" + dav + "/")
		if err == nil {
			_ = answer.Body.Close()
		}
		return err == nil
	})
	_, url := w.serve("policy_auth {\n" + basicSite + strings.Replace(jwtSite, "audience api\n", "audience api\nchallenge off\n", 1) +
		"login form {\n users DIR/users.yaml\n }\n session {\n store file DIR/store.db\n }\n}\nhandle /repo.git/* {\n root DIR/www\n file_server\n}\nhandle {\n reverse_proxy " + dav + "\n}")
	site := strings.TrimPrefix(url, "http://")

	must(w.Dir, "git", "clone", "-q", "http://bob:"+canary+"@"+site+"/repo.git", "clone")
	if output, err := command(w.Dir, "git", "clone", "-q", "http://bob:wrong@"+site+"/repo.git", "other"); err == nil {
		t.Errorf("git clones with a wrong password: %s", output)
	}
	if got := must(w.Dir, "curl", "-sS", "--anyauth", "-u", "bob:"+canary, url+"/a.txt"); got != "hello" {
		t.Errorf("curl got %q", got)
	}
	remote := func(password string) string {
		return ":webdav,url='" + url + "',vendor=other,user=bob,pass=" + must(w.Dir, "rclone", "obscure", password) + ":"
	}
	if got := must(w.Dir, "rclone", "lsf", remote(canary)); got != "a.txt" {
		t.Errorf("rclone lists %q", got)
	}
	must(w.Dir, "rclone", "copy", "users.yaml", remote(canary)+"new")
	if _, err := os.Stat(filepath.Join(w.Dir, "dav", "new", "users.yaml")); err != nil {
		t.Error(err)
	}
	if output, err := command(w.Dir, "rclone", "--retries", "1", "--low-level-retries", "1", "lsf", remote("wrong")); err == nil {
		t.Errorf("rclone lists with a wrong password: %s", output)
	}
}
