package policyauth

import (
	"os"
	"path/filepath"
	"testing"
)

// TestN14DefaultStore: a site with basic alone keeps the networks that its users
// sign in from in a store below Caddy's data directory. It is opened at its first
// use, and signing in does without it if it cannot be.
func TestN14DefaultStore(t *testing.T) {
	for _, broken := range []bool{false, true} {
		data := t.TempDir()
		t.Setenv("XDG_DATA_HOME", data)
		path := filepath.Join(data, "caddy", "policy_auth", "store.db")
		if broken {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		w := newEnv(t)
		h, _ := w.site(basicSite)
		if _, err := os.Stat(path); err == nil && !broken {
			t.Error("a configuration that is only loaded makes a store")
		}
		if recorder, err := ask(h, asUser(get("/"), "alice"), new(reached)); err != nil || recorder.Code != 200 {
			t.Errorf("broken: %v, got %d %v", broken, recorder.Code, err)
		}
		if info, err := os.Stat(path); err != nil || !broken && !info.Mode().IsRegular() {
			t.Errorf("no store: %v", err)
		}
	}
}
