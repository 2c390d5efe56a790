package forward

import (
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// certificateNames are the headers of forwarded certificates in these tests.
var certificateNames = []string{"Client-Cert", "Client-Cert-Chain"}

// openCertificates opens an exchange for a request with headers, from a trusted proxy or not.
func openCertificates(trusted bool, headers ...string) *exchange.Exchange {
	r, recorder := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
	for _, name := range headers {
		r.Header[name] = []string{":AAAA:"}
	}
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), recorder, nil)
	caddyhttp.SetVar(r.Context(), caddyhttp.TrustedProxyVarKey, trusted)
	config := new(request.Config)
	config.SetConfiguredHeaders([]string{"client-cert", "client-cert-chain"})
	return exchange.Open(recorder, r, config)
}

// TestRMT3CertificateHeaders: R-MT-3. Only a trusted proxy sends the headers of a
// certificate, and only in one spelling.
func TestRMT3CertificateHeaders(t *testing.T) {
	spellings := []string{"Client-Cert", "Client_Cert", "client-cert", "Client.Cert", "Client-Cert-Chain", "CLIENT_CERT_CHAIN", "Client-Certs"}
	for name, test := range map[string]struct {
		configured []string
		trusted    bool
		left       map[string]bool
	}{
		"another peer":    {certificateNames, false, map[string]bool{"Client-Certs": true}},
		"a trusted proxy": {certificateNames, true, map[string]bool{"Client-Certs": true, "Client-Cert": true, "Client-Cert-Chain": true}},
	} {
		f, _ := newForwarder(t, Config{CertificateHeaders: test.configured})
		ex := openCertificates(test.trusted, spellings...)
		r := httptest.NewRequest("GET", "/", nil)
		for _, spelling := range spellings {
			r.Header[spelling] = []string{":AAAA:"}
		}
		f.Strip(r, ex)
		for _, spelling := range spellings {
			if left := len(r.Header[spelling]) > 0; left != test.left[spelling] {
				t.Errorf("%s: %s is left: %v", name, spelling, left)
			}
		}
	}
}

// TestCertificateConsumed: a forwarded certificate that was accepted goes no further,
// unless forward_credentials says so.
func TestCertificateConsumed(t *testing.T) {
	for _, forwarded := range []bool{false, true} {
		f, _ := newForwarder(t, Config{CertificateHeaders: certificateNames, ForwardCredentials: forwarded})
		_, r, ex := open(httptest.NewRequest("GET", "/", nil))
		for _, name := range certificateNames {
			r.Header[name] = []string{":AAAA:"}
		}
		next := new(upstream)
		if err := f.Forward(r, ex, resultFor(alice, authenticator.FromCertificate()), next); err != nil {
			t.Fatal(err)
		}
		for _, name := range certificateNames {
			if got := len(next.header[name]) > 0; got != forwarded {
				t.Errorf("forward_credentials %v: %s reaches the upstream: %v", forwarded, name, got)
			}
		}
	}
}
