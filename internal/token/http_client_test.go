package token

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/egress"
)

// rootsOf returns the roots that trust a test server.
func rootsOf(t testing.TB, of *httptest.Server) *RootCAs {
	t.Helper()
	roots, err := ParseRootCAs("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: of.Certificate().Raw}))
	if err != nil {
		t.Fatal(err)
	}
	return roots
}

// proxy passes CONNECT on to one server, wherever the client wants to go.
type proxy struct {
	*httptest.Server
	asked atomic.Int64
}

func (p *proxy) count() int64 { return p.asked.Load() }

func newProxy(t testing.TB, to string) *proxy {
	p := new(proxy)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.asked.Add(1)
		behind, err := net.Dial("tcp", to)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer behind.Close()
		client, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer client.Close()
		_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(behind, client); _ = behind.Close() }()
		_, _ = io.Copy(client, behind)
	}))
	t.Cleanup(p.Close)
	return p
}

// TestS30Proxy: what a proxy of the environment is asked for is held to the same
// rules as what is dialled; the proxy itself may be in a private network.
func TestS30Proxy(t *testing.T) {
	issuer := newProviderBy(t, httptest.NewTLSServer)
	issuer.set("/keys", published("a"))
	through := newProxy(t, issuer.Listener.Addr().String())
	to := must(url.Parse(through.URL))
	addresses := map[string]string{"inside.example.net": "10.0.0.9", "clouds.example.net": "169.254.169.254", "named.example.net": "fe80::1"}
	client := NewClient(ClientConfig{
		ConfiguredHosts: []string{"example.com", "10.0.0.7:443", "169.254.169.254", "named.example.net"}, Roots: rootsOf(t, issuer.Server),
		proxy: func(*http.Request) (*url.URL, error) { return to, nil },
		lookup: func(_ context.Context, _, host string) ([]netip.Addr, error) {
			if address, found := addresses[host]; found {
				return []netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr(address)}, nil
			}
			return nil, &net.DNSError{IsNotFound: true}
		},
	})
	defer client.CloseIdleConnections()
	const asked = "certificate is valid for" // the test server's, which is example.com's: the proxy was asked
	for target, want := range map[string]string{
		"https://example.com/keys":     "",
		"https://10.0.0.7/keys":        asked,
		"https://unknown.example.net/": asked, // only the proxy knows the name
		"https://10.0.0.8/keys":        "private network",
		"https://127.0.0.1/keys":       "private network",
		"https://169.254.169.254/":     "link-local",
		"https://[fe80::1]/":           "link-local",
		"https://[::ffff:a9fe:a9fe]/":  "link-local",
		"https://2852039166/":          "neither a name nor an IP address",
		"https://localhost/keys":       "private network",
		"https://metadata.internal/":   "private network",
		"https://intranet/keys":        "without a domain",
		"https://inside.example.net/":  "private network",
		"https://clouds.example.net/":  "link-local",
		"https://named.example.net/":   "link-local",
	} {
		before := through.count()
		answer, err := client.Get(target)
		if err == nil {
			_ = answer.Body.Close()
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", target, err, want)
		}
		if got := through.count() > before; got != (want == "" || want == asked) {
			t.Errorf("%s: the proxy was asked: %v", target, got)
		}
	}
}

// TestN29ProxyRoots: an https proxy is not the issuer: tls_ca is not held against it.
func TestN29ProxyRoots(t *testing.T) {
	issuer := newProviderBy(t, httptest.NewTLSServer)
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	defer listener.Close()
	seen := make(chan string, 1)
	go func() {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		defer connection.Close()
		secure := tls.Server(connection, &tls.Config{Certificates: issuer.TLS.Certificates})
		line, _ := bufio.NewReader(secure).ReadString('\n')
		seen <- line
	}()
	client := NewClient(ClientConfig{
		ConfiguredHosts: []string{"example.com"}, Roots: rootsOf(t, issuer.Server),
		proxy: func(*http.Request) (*url.URL, error) {
			return &url.URL{Scheme: "https", Host: listener.Addr().String()}, nil
		},
	})
	defer client.CloseIdleConnections()
	if _, err := client.Get("https://example.com/keys"); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("the proxy's certificate, of the issuer's CA: %v", err)
	}
	if got := <-seen; strings.HasPrefix(got, "CONNECT") {
		t.Errorf("the proxy saw %q", got)
	}
}

// TestS30LinkLocal: no name leads to a link-local address, the operator's neither.
func TestS30LinkLocal(t *testing.T) {
	for _, host := range []string{"169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]"} {
		r := newRemote(t, RemoteKeySetConfig{URL: "https://" + host + "/keys"})
		if got := found(r, "a"); got != -1 || !strings.Contains(r.Status().Error, "link-local") {
			t.Errorf("%s: %d, %s", host, got, r.Status().Error)
		}
	}
}

// TestS42Client: Caddy's admin endpoint is not asked, named or not, neither directly
// nor through a proxy.
func TestS42Client(t *testing.T) {
	p := newProvider(t)
	p.set("/keys", published("a"))
	at := must(netip.ParseAddrPort(p.Listener.Addr().String()))
	egress.Protect(func() []egress.Listener {
		return []egress.Listener{{Network: "tcp", Host: at.Addr().String(), Port: at.Port()}}
	})
	defer egress.Protect(func() []egress.Listener { return nil })
	r := newRemote(t, RemoteKeySetConfig{URL: p.URL + "/keys"})
	if got := found(r, "a"); got != -1 || !strings.Contains(r.Status().Error, "admin endpoint") {
		t.Errorf("%d, %s", got, r.Status().Error)
	}
	through := newProxy(t, p.Listener.Addr().String())
	client := NewClient(ClientConfig{
		ConfiguredHosts: []string{at.String()}, proxy: func(*http.Request) (*url.URL, error) { return url.Parse(through.URL) },
	})
	defer client.CloseIdleConnections()
	if _, err := client.Get("https://" + at.String() + "/keys"); err == nil || !strings.Contains(err.Error(), "admin endpoint") || through.count() != 0 {
		t.Errorf("through a proxy: %v, asked %d times", err, through.count())
	}
}
