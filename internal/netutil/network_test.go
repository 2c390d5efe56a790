package netutil

import (
	"fmt"
	"net/netip"
	"testing"
)

// TestNetwork: R-BA-9, what counts as one client.
func TestNetwork(t *testing.T) {
	tests := []struct {
		name, one, other string
		same             bool
	}{
		{"an IPv4 address", "192.0.2.1", "192.0.2.1", true},
		{"another one", "192.0.2.1", "192.0.2.2", false},
		{"written as IPv6", "192.0.2.1", "::ffff:192.0.2.1", true},
		{"an IPv6 /64", "2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true},
		{"the next /64", "2001:db8::1", "2001:db8:0:1::1", false},
		{"a zone", "fe80::1%eth0", "fe80::2%eth1", true},
		{"both versions", "0.0.0.1", "::1", false},
		{"unknown", "", "", true},
		{"unknown and known", "", "192.0.2.1", false},
		{"unknown and loopback", "", "::1", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			one, _ := netip.ParseAddr(test.one)
			other, _ := netip.ParseAddr(test.other)
			if a, b := Network(one), Network(other); (a == b) != test.same || !a.IsValid() || !b.IsValid() {
				t.Errorf("%s and %s", a, b)
			}
		})
	}
}

func TestS28Networks(t *testing.T) {
	for client, want := range map[string]string{
		"192.0.2.77":               "[192.0.2.0/24 192.0.2.77/32]",
		"::ffff:192.0.2.77":        "[192.0.2.0/24 192.0.2.77/32]",
		"2001:db8:1:2345:6::7%lan": "[2001:db8:1::/48 2001:db8:1:2300::/56 2001:db8:1:2345::/64]",
		"":                         "[0.0.0.0/32]",
	} {
		addr, _ := netip.ParseAddr(client)
		if got := fmt.Sprint(Networks(addr)); got != want {
			t.Errorf("%q: %s, want %s", client, got, want)
		}
	}
}
