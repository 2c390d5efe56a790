package admin

import (
	"fmt"
	"net"
	"reflect"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/internal/egress"
)

// TestS42AdminListener: where the admin API of a configuration listens is known in
// each form that Caddy takes.
func TestS42AdminListener(t *testing.T) {
	t.Setenv("ADMIN_TEST_ADDRESS", "127.0.0.1:3000")
	inherited, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inherited.Close()
	file, err := inherited.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	port := uint16(inherited.Addr().(*net.TCPAddr).Port)
	local := []egress.Listener{{Network: "tcp", Host: "localhost", Port: 2019}}
	tests := []struct {
		name  string
		admin *caddy.AdminConfig
		want  []egress.Listener
	}{
		{"S-42 the default", nil, local},
		{"S-42 without an address", &caddy.AdminConfig{}, local},
		{"S-42 an address", &caddy.AdminConfig{Listen: "192.0.2.1:3000"}, []egress.Listener{{Network: "tcp", Host: "192.0.2.1", Port: 3000}}},
		{"S-42 everywhere", &caddy.AdminConfig{Listen: ":3000"}, []egress.Listener{{Network: "tcp", Port: 3000}}},
		{"S-42 a network", &caddy.AdminConfig{Listen: "tcp6/[::1]:3000"}, []egress.Listener{{Network: "tcp6", Host: "::1", Port: 3000}}},
		{"S-42 a placeholder", &caddy.AdminConfig{Listen: "{env.ADMIN_TEST_ADDRESS}"}, []egress.Listener{{Network: "tcp", Host: "127.0.0.1", Port: 3000}}},
		{"S-42 a socket", &caddy.AdminConfig{Listen: "unix//run/caddy.sock|0220"}, []egress.Listener{{Network: "unix", Host: "/run/caddy.sock"}}},
		{"S-42 an inherited socket", &caddy.AdminConfig{Listen: fmt.Sprint("fd/", file.Fd())}, []egress.Listener{{Network: "tcp", Host: "127.0.0.1", Port: port}}},
		{"S-42 off", &caddy.AdminConfig{Disabled: true}, nil},
		{"S-42 remote as well", &caddy.AdminConfig{Remote: &caddy.RemoteAdmin{}}, append(local, egress.Listener{Network: "tcp", Port: 2021})},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx, err := caddy.ProvisionContext(&caddy.Config{Admin: test.admin})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, listenersOf(ctx)); diff != "" {
				t.Error(diff)
			}
			ProtectAdmin(ctx)
			defer provisioning.Store(nil)
			for _, listener := range test.want {
				address, network := net.JoinHostPort("127.0.0.1", fmt.Sprint(listener.Port)), "tcp"
				if listener.Port == 0 {
					address, network = listener.Host, "unix"
				}
				if listener.Host != "192.0.2.1" && egress.Check(t.Context(), network, address) == nil {
					t.Errorf("%s is not refused", address)
				}
			}
		})
	}
	if diff := cmp.Diff(local, listenersOf(caddy.Context{})); diff != "" {
		t.Errorf("without a configuration: %s", diff)
	}
}

// TestS42UnknownListener: a Caddy whose configuration is built in another way may
// listen anywhere on this machine, and nothing there is reached.
func TestS42UnknownListener(t *testing.T) {
	type remote struct{ Listen string }
	type admin struct {
		Disabled bool
		Listen   string
		Remote   *remote
	}
	type renamedRemote struct{ Address string }
	type withRemote struct {
		Disabled bool
		Listen   string
		Remote   *renamedRemote
	}
	type config struct{ Admin *admin }
	anywhere := []egress.Listener{egress.Anywhere}
	for name, test := range map[string]struct {
		ctx  any
		want []egress.Listener
	}{
		"S-42 as expected":         {struct{ cfg *config }{&config{&admin{Listen: "192.0.2.1:3000"}}}, []egress.Listener{{Network: "tcp", Host: "192.0.2.1", Port: 3000}}},
		"S-42 no configuration":    {struct{ cfg *config }{}, []egress.Listener{{Network: "tcp", Host: "localhost", Port: 2019}}},
		"S-42 cfg is renamed":      {struct{ config *config }{&config{&admin{}}}, anywhere},
		"S-42 cfg is an interface": {struct{ cfg any }{&config{&admin{}}}, anywhere},
		"S-42 Admin is renamed":    {struct{ cfg *struct{ API *admin } }{&struct{ API *admin }{}}, anywhere},
		"S-42 Listen is renamed": {struct {
			cfg *struct{ Admin *struct{ Disabled bool } }
		}{&struct{ Admin *struct{ Disabled bool } }{&struct{ Disabled bool }{}}}, anywhere},
		"S-42 Remote is renamed":      {struct{ cfg *struct{ Admin *remote } }{&struct{ Admin *remote }{&remote{}}}, anywhere},
		"S-42 Remote's Listen is":     {struct{ cfg *struct{ Admin *withRemote } }{&struct{ Admin *withRemote }{&withRemote{Remote: &renamedRemote{}}}}, anywhere},
		"S-42 a remote one, disabled": {struct{ cfg *config }{&config{&admin{Disabled: true, Remote: &remote{Listen: "192.0.2.1:1"}}}}, []egress.Listener{{Network: "tcp", Host: "192.0.2.1", Port: 1}}},
	} {
		if diff := cmp.Diff(test.want, listenersIn(reflect.ValueOf(test.ctx))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
