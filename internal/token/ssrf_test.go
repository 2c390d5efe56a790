package token

import (
	"net/netip"
	"testing"
)

// TestS30Addresses: which addresses may be asked on a host that the operator
// named, and on another. R-JWK-7.
func TestS30Addresses(t *testing.T) {
	const public, private, never = "public", "private", "never"
	for text, want := range map[string]string{
		"203.0.113.1": public, "8.8.8.8": public, "100.63.255.255": public, "100.128.0.1": public, "172.15.0.1": public, "172.32.0.1": public, "2606:4700::1": public, "2002:808:808::1": public, "64:ff9b::808:808": public,
		"127.0.0.1": private, "127.255.0.1": private, "10.1.2.3": private, "172.16.0.1": private, "172.31.255.255": private, "192.168.1.1": private,
		"100.64.0.1": private, "100.127.255.255": private, "0.0.0.0": private, "198.18.0.1": private, "255.255.255.255": private,
		"::1": private, "::": private, "fd00::1": private, "fc00::1": private, "fec0::1": private, "::ffff:10.0.0.1": private, "64:ff9b::a00:1": private, "2002:a00:1::1": private, "::10.0.0.1": private, "64:ff9b:1::1": private,
		"169.254.169.254": never, "169.254.0.1": never, "fe80::1": never, "fe80::1%eth0": never, "::ffff:169.254.169.254": never,
		"64:ff9b::a9fe:a9fe": never, "2002:a9fe:a9fe::1": never, "::169.254.169.254": never, "224.0.0.1": never, "ff02::1": never,
	} {
		ip := netip.MustParseAddr(text)
		if err := checkAddress(ip, false); (err == nil) != (want == public) {
			t.Errorf("%s, not named: %v", text, err)
		}
		if err := checkAddress(ip, true); (err == nil) != (want != never) {
			t.Errorf("%s, named: %v", text, err)
		}
	}
}

// TestS30Names: names that a proxy would resolve within a private network, or read
// as an address.
func TestS30Names(t *testing.T) {
	for host, want := range map[string][2]bool{ // not named, named
		"id.example.com": {true, true}, "id.example.com.": {true, true}, "1.example.com": {true, true}, "0xcafe.example": {true, true},
		"id": {false, true}, "id.internal": {false, true}, "ID.INTERNAL.": {false, true}, "printer.local": {false, true}, "x.localhost": {false, true}, "localhost.": {false, true}, "nas.home.arpa": {false, true},
		"2852039166": {false, false}, "0xa9fea9fe": {false, false}, "0XA9.0xfe.0xa9.0xfe": {false, false}, "169.254.43518": {false, false}, "0251.0376.0251.0376": {false, false}, "127.1.": {false, false}, "": {false, false},
	} {
		for i, named := range []bool{false, true} {
			if err := checkHostname(host, named); (err == nil) != want[i] {
				t.Errorf("%q, named %v: %v", host, named, err)
			}
		}
	}
}
