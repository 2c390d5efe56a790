//go:build e2e

package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/test/testenv"
)

// TestE2ECombined: T-59, T-65, R-PAGE-13. The sites of MultisiteCases with a running Caddy,
// from the Caddyfile and from the JSON that caddy adapt makes of it.
func TestE2ECombined(t *testing.T) {
	for _, config := range []string{"Caddyfile", "caddy.json"} {
		t.Run(config, func(t *testing.T) {
			n := &testenv.Multisite{Env: testenv.New(t)}
			admin, listen := "127.0.0.1:"+port(t), port(t)
			n.Write("Caddyfile", n.Caddyfile(listen, "admin "+admin+"\ndefault_bind 127.0.0.1"))
			if config != "Caddyfile" {
				adapted := exec.Command(binary(t), "adapt", "--config", "Caddyfile")
				adapted.Dir = n.Dir
				output, err := adapted.Output()
				if err != nil {
					t.Fatal(err)
				}
				n.Write(config, string(output))
			}
			s := start(t, n.Dir, config, admin)
			n.Try(t, "127.0.0.1:"+listen)
			for _, row := range testenv.MultisiteCases {
				if row.Logged != "" {
					eventually(t, "the access log has "+row.Logged, func() bool { return strings.Contains(s.logged(), row.Logged) })
				}
			}
			if _, secret, _ := strings.Cut(basicOf("alice"), " "); strings.Contains(s.logged(), secret) {
				t.Error("the log holds a password")
			}
		})
	}
}
