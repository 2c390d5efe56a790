//go:build e2e

package policyauth

import (
	"os/exec"
	"strings"
	"testing"
)

// TestE2ETogether: T-59, T-65, R-PAGE-13. All neighbours with a running Caddy,
// from the Caddyfile and from the JSON that caddy adapt makes of it.
func TestE2ETogether(t *testing.T) {
	for _, config := range []string{"Caddyfile", "caddy.json"} {
		t.Run(config, func(t *testing.T) {
			n := &neighbourhood{world: newWorld(t)}
			admin, listen := "127.0.0.1:"+port(t), port(t)
			n.write("Caddyfile", n.caddyfile(listen, "admin "+admin+"\ndefault_bind 127.0.0.1"))
			if config != "Caddyfile" {
				adapted := exec.Command(binary(t), "adapt", "--config", "Caddyfile")
				adapted.Dir = n.dir
				output, err := adapted.Output()
				if err != nil {
					t.Fatal(err)
				}
				n.write(config, string(output))
			}
			s := start(t, n.dir, config, admin)
			n.try(t, "127.0.0.1:"+listen)
			for _, row := range neighbours {
				if row.logged != "" {
					eventually(t, "the access log has "+row.logged, func() bool { return strings.Contains(s.logged(), row.logged) })
				}
			}
			if _, secret, _ := strings.Cut(basicOf("alice"), " "); strings.Contains(s.logged(), secret) {
				t.Error("the log holds a password")
			}
		})
	}
}
