package request

import (
	"net"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestHost: T-15, T-22. A host has one name, however it is spelt, and what has
// no honest reading is refused.
func TestHost(t *testing.T) {
	tests := []struct {
		host, want string
		port       int
	}{
		{"a.example", "a.example", 80},
		{"A.Example.:81", "a.example", 81},
		{"a.example:", "a.example", 80},
		{"xn--bcher-kva.example", "xn--bcher-kva.example", 80},
		{"_dmarc.a-1.example", "_dmarc.a-1.example", 80},
		{"192.0.2.1:8080", "192.0.2.1", 8080},
		{"[2001:db8::1]:81", "2001:db8::1", 81},
		{"[2001:DB8:0:0::1]", "2001:db8::1", 80},
		{"", "", 80},
	}
	for _, test := range tests {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = test.host
		req := New(r, Metadata{}, new(Config))
		host, port := req.hostPort()
		if flag := req.RejectedFlag(); host != test.want || port != test.port || flag != "" {
			t.Errorf("%q: got %q %d %s, want %q %d", test.host, host, port, flag, test.want, test.port)
		}
	}
}

// TestBadHost: T-15, T-22. Nobody can allow a host that slips past rules.
func TestBadHost(t *testing.T) {
	hosts := []string{
		"admin.example.com:80:80", "admin.example.com:x", "admin.example.com:+80", "admin.example.com:99999", "admin.example.com:-1",
		"admin..example.com", ".admin.example.com", "admin.example.com..", ".", "..", ".:80",
		"admin%2eexample.com", "%61dmin.example.com", "user@admin.example.com", "admin.example.com/", "admin.example.com\\", "admin.example.com,other",
		"admin.example.com other", "ädmin.example.com", "admin\u3002example.com", "admin.example.com\x00", "[::1", "::1", "[::1]x", "[::1%25eth0]", "[127.0.0.1]", "[admin.example.com]",
		strings.Repeat("a.", 200) + "example",
	}
	for _, host := range hosts {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		req := New(r, Metadata{}, &Config{AllowedFlags: []Flag{FlagDotSegment, FlagBackslash}})
		if flag := req.RejectedFlag(); flag != FlagBadHost {
			t.Errorf("%q: flag %q", host, flag)
		}
		if name, _ := req.hostPort(); name != "" {
			t.Errorf("%q: judged as %q", host, name)
		}
	}
}

// FuzzHost: T-66. A name that is judged is one that net/http's own readers see as well.
func FuzzHost(f *testing.F) {
	for _, seed := range []string{"a.example", "A.:80", "[::1]:80", "a:80:80", "..", "[::1%25x]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		name, port, ok := splitHost(host)
		if !ok {
			return
		}
		if strings.ToLower(name) != name || strings.ContainsAny(name, "/@%\\ \x00[]") || port < 0 || port > 65535 {
			t.Errorf("%q: %q %d", host, name, port)
		}
		if again, _, ok := splitHost(net.JoinHostPort(name, "1")); !ok || again != name {
			t.Errorf("%q: %q is read again as %q, %v", host, name, again, ok)
		}
	})
}
