//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestE2E_N17OneWatcher: fifty sites with directories of their own use one inotify instance.
func TestE2E_N17OneWatcher(t *testing.T) {
	w := newEnv(t)
	adminAddress, listen := "127.0.0.1:"+port(t), port(t)
	var config strings.Builder
	fmt.Fprintf(&config, "{\n admin %s\n auto_https off\n}\n", adminAddress)
	for i := range 50 {
		site := strings.ReplaceAll(formSite, "DIR/access.yaml", fmt.Sprintf("DIR/site%d/access.yaml\n error_pages DIR/site%d/pages", i, i))
		access, err := os.ReadFile(w.Dir + "/access.yaml")
		if err != nil {
			t.Fatal(err)
		}
		w.Write(fmt.Sprintf("site%d/access.yaml", i), string(access))
		w.Write(fmt.Sprintf("site%d/pages/error.html", i), "<p>{{.Status}}")
		fmt.Fprintf(&config, "http://site%d.localhost:%s {\npolicy_auth {\n%s}\nrespond protected\n}\n", i, listen, strings.ReplaceAll(site, "DIR", w.Dir))
	}
	w.Write("Caddyfile", config.String())
	server := start(t, w.Dir, "Caddyfile", adminAddress)
	fds := fmt.Sprintf("/proc/%d/fd", server.cmd.Process.Pid)
	eventually(t, "one inotify instance", func() bool {
		entries, err := os.ReadDir(fds)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, entry := range entries {
			if target, err := os.Readlink(fds + "/" + entry.Name()); err == nil && strings.Contains(target, "inotify") {
				n++
			}
		}
		return n == 1
	})
}
