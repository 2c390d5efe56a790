package authn

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/clientcert/certtest"
)

// newCertificates returns a method with the roots of an authority, and that authority.
func newCertificates(t *testing.T, header string) (*ClientCertificate, *certtest.CA) {
	t.Helper()
	ca, file := certtest.New(t, "root"), filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, ca.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	m := &ClientCertificate{Roots: []string{file}, Header: header}
	if err := m.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Cleanup() })
	return m, ca
}

func ofHost(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = []string{name} }
}

// requestWith is a request over a connection whose client presents a certificate, from a
// trusted proxy or not, with a header.
func requestWith(leaf *x509.Certificate, trusted bool, name string, lines ...string) *http.Request {
	r := httptest.NewRequest("GET", "https://example.com/", nil)
	if leaf != nil {
		r.TLS.PeerCertificates = []*x509.Certificate{leaf}
	}
	r.Header[name] = lines
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), nil)
	caddyhttp.SetVar(r.Context(), caddyhttp.TrustedProxyVarKey, trusted)
	return r
}

// TestS20ProxysCertificate: S-20, R-MT-3. The certificate of a trusted proxy's connection
// is never the caller's, and a header counts from a trusted proxy alone.
func TestS20ProxysCertificate(t *testing.T) {
	m, ca := newCertificates(t, "client-cert")
	plain, plainCA := newCertificates(t, "")
	client, proxy := ca.Issue(t, ofHost("client.example.com")).Leaf, ca.Issue(t, ofHost("proxy.example.com")).Leaf
	line := certtest.Header(client)
	for name, test := range map[string]struct {
		method *ClientCertificate
		r      *http.Request
		who    string
		reason authenticator.Reason
	}{
		"direct":                       {m, requestWith(client, false, "X"), "client.example.com", ""},
		"direct, with a header":        {m, requestWith(proxy, false, "Client-Cert", line), "proxy.example.com", ""},
		"a header alone":               {m, requestWith(nil, false, "Client-Cert", line), "", ""},
		"forwarded":                    {m, requestWith(proxy, true, "Client-Cert", line), "client.example.com", ""},
		"a proxy alone":                {m, requestWith(proxy, true, "X"), "", ""},
		"another header":               {m, requestWith(proxy, true, "X-Client-Cert", line), "", ""},
		"forwarded garbage":            {m, requestWith(proxy, true, "Client-Cert", ":AA==:"), "", authenticator.ReasonCredentialsInvalid},
		"an empty certificate":         {m, requestWith(proxy, true, "Client-Cert", "::"), "", ""},
		"forwarded, of another CA":     {m, requestWith(proxy, true, "Client-Cert", certtest.Header(plainCA.Issue(t, ofHost("a")).Leaf)), "", authenticator.ReasonCredentialsInvalid},
		"without from header":          {plain, requestWith(nil, true, "Client-Cert", certtest.Header(plainCA.Issue(t, ofHost("a")).Leaf)), "", ""},
		"without from header, a proxy": {plain, requestWith(plainCA.Issue(t, ofHost("a")).Leaf, true, "X"), "", ""},
	} {
		chain, err := NewChain([]Method{{Name: "client_certificate", Authenticator: test.method}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		caller := chain.Identify(test.r, true)
		if (caller.Verdict == authenticator.Accepted) != (test.who != "") || caller.Reason != test.reason || test.who != "" && caller.Identity.ID != test.who {
			t.Errorf("%s: %+v", name, caller.Outcome)
		}
		trusted, _ := caddyhttp.GetVar(test.r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
		leaf, verified := chain.ClientCertificates()(test.r, trusted)
		if verified != (test.who != "") || test.who != "" && leaf.DNSNames[0] != test.who || test.who == "" && test.reason == "" && leaf != nil {
			t.Errorf("%s: the certificate of the client is %v, %v", name, leaf, verified)
		}
	}
	chain, _ := NewChain([]Method{{Name: "client_certificate", Authenticator: m}}, nil)
	if !chain.ReadsCertificates() || len(chain.CertificateHeaders()) != 2 || chain.Challenged() {
		t.Errorf("%v, %q, %v", chain.ReadsCertificates(), chain.CertificateHeaders(), chain.Challenged())
	}
	if other, _ := site(); other.ReadsCertificates() || other.ClientCertificates() != nil || other.CertificateHeaders() != nil {
		t.Error("a site without the method reads certificates")
	}
}

// TestCertificateAuthorities: several client_certificate stand for several authorities, and
// each names the holders of its own.
func TestCertificateAuthorities(t *testing.T) {
	first, firstCA := newCertificates(t, "")
	second, secondCA := newCertificates(t, "")
	chain, err := NewChain([]Method{{Name: "client_certificate", Authenticator: first}, {Name: "client_certificate", Authenticator: second}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, ca := range []*certtest.CA{firstCA, secondCA} {
		r := requestWith(ca.Issue(t, ofHost("a.example.com")).Leaf, false, "X")
		if caller := chain.Identify(r, true); caller.Verdict != authenticator.Accepted {
			t.Errorf("%+v", caller.Outcome)
		}
		if _, verified := chain.ClientCertificates()(r, false); !verified {
			t.Error("it is not verified")
		}
	}
	if caller := chain.Identify(requestWith(certtest.New(t, "x").Issue(t, ofHost("a")).Leaf, false, "X"), true); caller.Verdict != authenticator.Absent || caller.Reason != authenticator.ReasonCredentialsInvalid {
		t.Errorf("%+v", caller.Outcome)
	}
}

// TestT64OnlyVerifiedChains: T-64. Without roots a certificate that the server has not
// verified is none, whatever the mode of the server is said to be.
func TestT64OnlyVerifiedChains(t *testing.T) {
	m := new(ClientCertificate)
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	if err := m.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	ca := certtest.New(t, "root")
	r := requestWith(ca.Issue(t, ofHost("a.example.com")).Leaf, false, "X")
	if outcome := m.Authenticate(r, authenticator.Credential{}); outcome.Verdict != authenticator.Unclaimed {
		t.Errorf("not verified: %+v", outcome)
	}
	r.TLS.VerifiedChains = [][]*x509.Certificate{{r.TLS.PeerCertificates[0], ca.Certificate}}
	if outcome := m.Authenticate(r, authenticator.Credential{}); outcome.Verdict != authenticator.Accepted {
		t.Errorf("verified: %+v", outcome)
	}
	r.TLS = new(tls.ConnectionState)
	if outcome := m.Authenticate(r, authenticator.Credential{}); outcome.Verdict != authenticator.Absent || outcome.Reason != "" {
		t.Errorf("none: %+v", outcome)
	}
}
