package admin

import (
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// TestAdminFlag: the command in the log reaches the admin API of its server.
func TestAdminFlag(t *testing.T) {
	t.Setenv("ADMIN_TEST_ADDRESS", "127.0.0.1:3000")
	for _, test := range []struct {
		name, want string
		admin      *caddy.AdminConfig
	}{
		{"the default", "", nil},
		{"the default in words", "", &caddy.AdminConfig{Listen: ":2019"}},
		{"off", "", &caddy.AdminConfig{Disabled: true}},
		{"an address", " --address 127.0.0.1:3000", &caddy.AdminConfig{Listen: "{env.ADMIN_TEST_ADDRESS}"}},
		{"everywhere", " --address localhost:3000", &caddy.AdminConfig{Listen: ":3000"}},
		{"a socket", " --address unix//run/caddy.sock", &caddy.AdminConfig{Listen: "unix//run/caddy.sock|0220"}},
		{"an inherited socket", "", &caddy.AdminConfig{Listen: "fd/9"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, err := caddy.ProvisionContext(&caddy.Config{Admin: test.admin})
			if err != nil {
				t.Fatal(err)
			}
			if got := AddressFlag(ctx); got != test.want {
				t.Errorf("%q", got)
			}
		})
	}
}
