package request

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/clientcert/certtest"
)

// TestRHTTP4Misdirected: R-HTTP-4, T-64. The handshake of a connection must have been for
// the host of the request.
func TestRHTTP4Misdirected(t *testing.T) {
	local := &net.TCPAddr{IP: net.ParseIP("192.0.2.7"), Port: 443}
	for name, test := range map[string]struct {
		sni, host      string
		local          net.Addr
		plain, trusted bool
		want           bool
	}{
		"the same":                     {sni: "example.com", host: "example.com"},
		"with a port, in another case": {sni: "Example.com", host: "EXAMPLE.COM:8443"},
		"rooted":                       {sni: "example.com", host: "example.com."},
		"another":                      {sni: "a.example.com", host: "b.example.com", want: true},
		"a prefix":                     {sni: "example.com", host: "example.com.evil.example", want: true},
		"no name":                      {host: "example.com", want: true},
		"no host":                      {sni: "example.com", host: "", want: true},
		"a host that cannot be read":   {sni: "example.com", host: "example.com:x", want: true},
		"an address, here":             {host: "192.0.2.7", local: local},
		"an address, elsewhere":        {host: "192.0.2.8", local: local, want: true},
		"a name at an address":         {host: "example.com", local: local, want: true},
		"an address, not known":        {host: "192.0.2.7", want: true},
		"over plain HTTP":              {host: "example.com", plain: true},
		"a trusted proxy":              {sni: "a.example.com", host: "b.example.com", trusted: true},
		"a host that a handler set":    {sni: "example.com", host: "internal", want: true},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = test.host
		if !test.plain {
			r.TLS = &tls.ConnectionState{ServerName: test.sni}
		}
		if test.local != nil {
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, test.local))
		}
		if got := New(r, Metadata{TrustedProxy: test.trusted}, new(Config)).Misdirected(); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestS20Certificate: S-20. Policies see the client's certificate and never that of a
// trusted proxy; verified ends with the certificate. With a method that reads
// certificates, it decides.
func TestS20Certificate(t *testing.T) {
	ca := certtest.New(t, "root")
	leaf := ca.Issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"a.example.com"} }).Leaf
	state := func(chains ...[]*x509.Certificate) *tls.ConnectionState {
		return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: chains}
	}
	by := func(found *x509.Certificate, verified bool) func(*http.Request, bool) (*x509.Certificate, bool) {
		return func(*http.Request, bool) (*x509.Certificate, bool) { return found, verified }
	}
	for name, test := range map[string]struct {
		state    *tls.ConnectionState
		trusted  bool
		at       time.Time
		method   func(*http.Request, bool) (*x509.Certificate, bool)
		verified bool
		names    int
	}{
		"verified":              {state: state([]*x509.Certificate{leaf, ca.Certificate}), verified: true, names: 1},
		"not verified":          {state: state(), names: 1},
		"expired since":         {state: state([]*x509.Certificate{leaf, ca.Certificate}), at: leaf.NotAfter.Add(time.Second), names: 1},
		"a proxy's":             {state: state([]*x509.Certificate{leaf, ca.Certificate}), trusted: true},
		"none":                  {state: new(tls.ConnectionState)},
		"over plain HTTP":       {},
		"by a method":           {state: state(), method: by(leaf, true), verified: true, names: 1},
		"forwarded":             {trusted: true, method: by(leaf, true), verified: true, names: 1},
		"refused by a method":   {state: state([]*x509.Certificate{leaf, ca.Certificate}), method: by(leaf, false), names: 1},
		"unknown to the method": {state: state([]*x509.Certificate{leaf, ca.Certificate}), method: by(nil, false)},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.TLS = test.state
		if test.at.IsZero() {
			test.at = time.Now()
		}
		shown := New(r, Metadata{TrustedProxy: test.trusted, Time: test.at}, &Config{ClientCertificate: test.method}).TLS().ClientCertificate
		if shown.Verified != test.verified || len(shown.DNSNames) != test.names || (shown.Subject == "CN=client") != (test.names == 1) {
			t.Errorf("%s: %+v", name, shown)
		}
	}
}
