package egress

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// protect protects some listeners for one test.
func protect(t *testing.T, listeners ...Listener) {
	t.Helper()
	Protect(func() []Listener { return listeners })
	t.Cleanup(func() { Protect(func() []Listener { return nil }) })
}

// TestS42Listener: which addresses end at a listener, and which do not.
func TestS42Listener(t *testing.T) {
	own := "127.0.0.1"
	if all, err := net.InterfaceAddrs(); err == nil && len(all) > 0 {
		own = strings.Split(all[len(all)-1].String(), "/")[0]
	}
	tests := []struct {
		name     string
		listener Listener
		network  string
		address  string
		refused  bool
	}{
		{"S-42 the address", Listener{"tcp", "127.0.0.1", 2019}, "tcp4", "127.0.0.1:2019", true},
		{"S-42 another port", Listener{"tcp", "127.0.0.1", 2019}, "tcp4", "127.0.0.1:2020", false},
		{"S-42 localhost", Listener{"tcp", "localhost", 2019}, "tcp4", "127.0.0.1:2019", true},
		{"S-42 localhost over IPv6", Listener{"tcp", "localhost", 2019}, "tcp6", "[::1]:2019", true},
		{"S-42 a mapped address", Listener{"tcp", "127.0.0.1", 2019}, "tcp6", "[::ffff:127.0.0.1]:2019", true},
		{"S-42 another loopback address", Listener{"tcp", "127.0.0.1", 2019}, "tcp4", "127.0.0.2:2019", true},
		{"S-42 the unspecified address", Listener{"tcp", "127.0.0.1", 2019}, "tcp4", "0.0.0.0:2019", true},
		{"S-42 the unspecified IPv6 address", Listener{"tcp", "::1", 2019}, "tcp6", "[::]:2019", true},
		{"S-42 everywhere", Listener{"tcp", "", 2019}, "tcp4", "127.0.0.1:2019", true},
		{"S-42 everywhere, an interface", Listener{"tcp", "", 2019}, "tcp", net.JoinHostPort(own, "2019"), true},
		{"S-42 0.0.0.0, an interface", Listener{"tcp4", "0.0.0.0", 2019}, "tcp", net.JoinHostPort(own, "2019"), true},
		{"S-42 everywhere, another machine", Listener{"tcp", "", 2019}, "tcp4", "192.0.2.1:2019", false},
		{"S-42 one interface", Listener{"tcp", "192.0.2.1", 2019}, "tcp4", "192.0.2.1:2019", true},
		{"S-42 one interface, from loopback", Listener{"tcp", "192.0.2.1", 2019}, "tcp4", "127.0.0.1:2019", false},
		{"S-42 a zone", Listener{"tcp", "fe80::1", 2019}, "tcp6", "[fe80::1%lo]:2019", true},
		{"S-42 a name that is none", Listener{"tcp", "admin.invalid", 2019}, "tcp4", "192.0.2.1:2019", true},
		{"S-42 a socket and TCP", Listener{"unix", "/run/admin.sock", 0}, "tcp4", "127.0.0.1:80", false},
		{"S-42 TCP and a socket", Listener{"tcp", "localhost", 2019}, "unix", "/run/other.sock", false},
		{"S-42 an abstract socket", Listener{"unix", "@admin", 0}, "unix", "@admin", true},
		{"S-42 unknown, loopback", Anywhere, "tcp4", "127.0.0.1:80", true},
		{"S-42 unknown, an interface", Anywhere, "tcp", net.JoinHostPort(own, "80"), true},
		{"S-42 unknown, a socket", Anywhere, "unix", "/run/other.sock", true},
		{"S-42 unknown, another machine", Anywhere, "tcp4", "192.0.2.1:2019", false},
		{"S-42 unknown, what is no address", Anywhere, "tcp", "127.0.0.1", true},
		{"S-42 what is no address", Listener{"tcp", "localhost", 2019}, "tcp", "127.0.0.1", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			protect(t, test.listener)
			if err := Check(t.Context(), test.network, test.address); (err != nil) != test.refused {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestTransportCopy: the transport that is given stays as it is.
func TestTransportCopy(t *testing.T) {
	given := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 7}
	made := Transport(given, "")
	if made == given || given.Proxy == nil || given.DialContext != nil || made.Proxy != nil || made.DialContext == nil || made.MaxIdleConns != 7 {
		t.Errorf("given %+v, made %+v", given, made)
	}
}

// TestS42Links: a socket is the same by each path that leads to it.
func TestS42Links(t *testing.T) {
	dir := t.TempDir()
	socket, link := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Symlink(socket, link); err != nil {
		t.Fatal(err)
	}
	protect(t, Listener{Network: "unix", Host: socket})
	for _, path := range []string{socket, link, dir + "/./a"} {
		if _, err := Transport(nil, path).DialContext(t.Context(), "tcp", "localhost:80"); err == nil || !strings.Contains(err.Error(), "admin endpoint") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestS42Transport: no transport uses a proxy, and a dialer's own control is asked too.
func TestS42Transport(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	for _, transport := range []*http.Transport{Transport(nil, ""), Transport(&http.Transport{Proxy: http.ProxyFromEnvironment}, ""), Transport(nil, "/a")} {
		if transport.Proxy != nil {
			t.Error("it uses a proxy")
		}
	}
	address := strings.TrimPrefix(server.URL, "http://")
	c, err := Guard(new(net.Dialer)).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	own := errors.New("refused")
	dialer := Guard(&net.Dialer{Control: func(string, string, syscall.RawConn) error { return own }})
	if _, err := dialer.DialContext(t.Context(), "tcp", address); !errors.Is(err, own) {
		t.Errorf("the dialer's own control: %v", err)
	}
}
