//go:build e2e

package e2e

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// storeServer runs a site with a store file below DIR/store, and returns it, its
// address and the directory.
func storeServer(t *testing.T) (s *server, site, dir, adminAddress string) {
	t.Helper()
	w := newEnv(t)
	adminAddress = "127.0.0.1:" + port(t)
	site = "http://127.0.0.1:" + port(t)
	form := strings.ReplaceAll(formSite, "DIR/store.db", "DIR/store/store.db")
	w.Write("Caddyfile", fmt.Sprintf("{\n admin %s\n auto_https off\n}\n%s {\npolicy_auth {\n%s}\nrespond protected\n}\n", adminAddress, site, strings.ReplaceAll(form, "DIR", w.Dir)))
	return start(t, w.Dir, "Caddyfile", adminAddress), site, w.Dir, adminAddress
}

// attempt tries to sign in and returns the status.
func (s *browser) attempt(site, name string) int {
	s.t.Helper()
	_, _, page := s.ask("GET", site+"/.policy_auth/login", nil)
	token := formToken.FindStringSubmatch(page)
	if token == nil {
		s.t.Fatal(page)
	}
	status, _, _ := s.ask("POST", site+"/.policy_auth/login", url.Values{"username": {name}, "password": {canary}, "token": {token[1]}})
	return status
}

// timely fails where an answer takes longer than anybody waits for a disk.
func timely(t *testing.T, what string, f func()) {
	t.Helper()
	began := time.Now()
	f()
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("%s took %s", what, took)
	}
}

// TestE2E_N16StoreFile: whatever happens to the store's file under a running server, sign-ins,
// sign-outs, session ends, config loads and SIGTERM are answered, at worst by 503 with
// the reason in the log, and go on when the file is there again.
func TestE2E_N16StoreFile(t *testing.T) {
	for name, breakIt := range map[string]func(path string) error{
		"truncate -s 0":     func(path string) error { return os.Truncate(path, 0) },
		"removed":           os.Remove,
		"directory removed": func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
		"replaced": func(path string) error {
			content, err := os.ReadFile(path)
			if err != nil || os.WriteFile(path+".copy", content, 0o600) != nil {
				return err
			}
			return os.Rename(path+".copy", path)
		},
		"text written over it": func(path string) error {
			if err := os.WriteFile(path, []byte(strings.Repeat("text\n", 50_000)), 0o600); err != nil {
				return err
			}
			time.AfterFunc(time.Second, func() { _ = os.Rename(path, path+".away") }) // as the log says
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, site, dir, adminAddress := storeServer(t)
			before := newBrowser(t)
			before.signIn(site, "alice")
			if err := breakIt(filepath.Join(dir, "store", "store.db")); err != nil {
				t.Fatal(err)
			}
			later := newBrowser(t)
			timely(t, "the sign-in", func() {
				if status := later.attempt(site, "bob"); status != 503 {
					t.Errorf("sign-in on a broken file: %d", status)
				}
			})
			if !strings.Contains(server.logged(), "store.db: ") || !strings.Contains(server.logged(), "cannot be used") {
				t.Error("the log has no reason")
			}
			eventually(t, "bob can sign in", func() bool { return later.attempt(site, "bob") == 303 })
			if got := before.status(site + "/mail"); got != 200 {
				t.Errorf("alice's session: %d", got)
			}
			timely(t, "the end of sessions", func() {
				end := exec.Command(binary(t), "policy-auth", "session", "end", "--user", "alice", "--address", adminAddress)
				if output, err := end.CombinedOutput(); err != nil || string(output) != "1 ended\n" {
					t.Errorf("%v: %s", err, output)
				}
			})
			if got := before.status(site + "/mail"); got != 303 {
				t.Errorf("alice's ended session: %d", got)
			}
			timely(t, "loading the configuration", func() {
				load := exec.Command(binary(t), "reload", "--force", "--config", "Caddyfile", "--address", adminAddress)
				load.Dir = dir
				if output, err := load.CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, output)
				}
			})
			if got := later.status(site + "/mail"); got != 200 {
				t.Errorf("bob's session after the reload: %d", got)
			}
			timely(t, "SIGTERM", server.stop)
		})
	}
}

// TestE2E_S41Validate: validating a configuration makes neither the store nor the key
// of its records; the first sign-in makes both.
func TestE2E_S41Validate(t *testing.T) {
	data := t.TempDir()
	t.Setenv("XDG_DATA_HOME", data)
	_, site, dir, _ := storeServer(t)
	validate := exec.Command(binary(t), "validate", "--config", "Caddyfile")
	validate.Dir = dir
	if output, err := validate.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	made := []string{filepath.Join(data, "caddy", "policy_auth", "store.key"), filepath.Join(dir, "store", "store.db")}
	for _, path := range made {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s: %v", path, err)
		}
	}
	newBrowser(t).signIn(site, "alice")
	for _, path := range made {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
}
