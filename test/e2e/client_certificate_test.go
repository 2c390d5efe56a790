//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/clientcert/certtest"
)

// mutual is a Caddy with sites that read client certificates.
type mutual struct {
	*server
	t            *testing.T
	ca, serverCA *certtest.CA
	listen       string // of own, by-server, front and open, all .example.com
	behind, bare string // URLs of the site behind front, from a trusted peer and another
}

// mutualSites runs the sites: own verifies by its own roots, by-server trusts what Caddy
// has verified, front is a proxy that forwards certificates, and open asks for none.
func mutualSites(t *testing.T, options string) *mutual {
	w := newEnv(t)
	m := &mutual{t: t, ca: certtest.New(t, "clients"), serverCA: certtest.New(t, "servers"), listen: port(t)}
	pair := m.serverCA.Server(t, "*.example.com")
	w.Write("server.pem", string(certtest.PEM(pair.Leaf)))
	w.Write("server.key", string(certtest.KeyPEM(t, pair)))
	w.Write("clients.pem", string(m.ca.PEM()))
	admin, behind, bare := "127.0.0.1:"+port(t), port(t), port(t)
	m.behind, m.bare = "http://127.0.0.1:"+behind, "http://127.0.0.1:"+bare
	site := func(name, clientAuth, lines string) string {
		return fmt.Sprintf("https://%s.example.com:%s {\n tls DIR/server.pem DIR/server.key {\n%s }\n%s\n}\n", name, m.listen, clientAuth, lines)
	}
	const (
		verify  = "client_auth {\n mode verify_if_given\n trust_pool file DIR/clients.pem\n }\n"
		reached = "respond \"reached {http.auth.user.id}\""
		forward = "policy_auth {\n client_certificate {\n roots DIR/clients.pem\n from header Client-Cert\n }\n }\n" + reached
	)
	config := "{\n admin " + admin + "\n auto_https off\n" + options + "\n servers :" + behind + " {\n trusted_proxies static 127.0.0.1/32\n }\n}\n" +
		site("own", "client_auth {\n mode request\n }\n", "policy_auth {\n client_certificate {\n roots DIR/clients.pem\n }\n }\n"+reached) +
		site("by-server", verify, "policy_auth {\n client_certificate\n }\n"+reached) +
		site("front", verify, "reverse_proxy 127.0.0.1:"+behind+" {\n header_up Client-Cert \":{http.request.tls.client.certificate_der_base64}:\"\n }") +
		site("open", "", "respond open") +
		"http://:" + behind + " {\n" + forward + "\n}\nhttp://:" + bare + " {\n" + forward + "\n}\n"
	w.Write("Caddyfile", strings.ReplaceAll(config, "DIR", w.Dir))
	m.server = start(t, w.Dir, "Caddyfile", admin)
	return m
}

// client is one with a certificate, or none, that speaks HTTP/2 to any of the sites; each
// has connections of its own.
func (m *mutual) client(certificate *tls.Certificate, change func(*tls.Config)) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(m.serverCA.Certificate)
	config := &tls.Config{RootCAs: roots, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if certificate == nil {
			return new(tls.Certificate), nil
		}
		return certificate, nil
	}}
	if change != nil {
		change(config)
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+m.listen)
	}}
	m.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// ask requests a page of a site for a host, which is the site's own if it is "".
func (m *mutual) ask(client *http.Client, site, host string) (int, string, *tls.ConnectionState) {
	m.t.Helper()
	r, err := http.NewRequest(http.MethodGet, "https://"+site+".example.com:"+m.listen+"/", nil)
	if err != nil {
		m.t.Fatal(err)
	}
	if host != "" {
		r.Host = host + ".example.com:" + m.listen
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error(), nil
	}
	return response.StatusCode, string(body), response.TLS
}

func clientName(c *x509.Certificate) { c.DNSNames = []string{"build.example.com"} }

// TestE2E_T64ClientCertificates: T-64, R-MT-3, R-MT-4, R-403-5, S-20. Who gets in with
// which certificate, and where.
func TestE2E_T64ClientCertificates(t *testing.T) {
	m := mutualSites(t, "")
	good, foreign := m.ca.Issue(t, clientName), certtest.New(t, "foreign").Issue(t, clientName)
	forServers := m.ca.Server(t, "build.example.com")
	expired := m.ca.Issue(t, func(c *x509.Certificate) {
		clientName(c)
		c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	})
	const in = "reached build.example.com"
	for name, test := range map[string]struct {
		certificate            *tls.Certificate
		own, byServer, forward int // 0 is a handshake that fails
	}{
		"good":                 {&good, 200, 200, 200},
		"none":                 {nil, 403, 403, 403},
		"of another authority": {&foreign, 403, 0, 0},
		"for servers":          {&forServers, 403, 0, 0},
		"expired":              {&expired, 403, 0, 0},
	} {
		for site, want := range map[string]int{"own": test.own, "by-server": test.byServer, "front": test.forward} {
			status, body, _ := m.ask(m.client(test.certificate, nil), site, "")
			if status != want || want == 200 && body != in {
				t.Errorf("%s, %s: %d %s, want %d", site, name, status, body, want)
			}
		}
	}
	for url, want := range map[string]int{m.behind: 200, m.bare: 403} {
		if status, _, body := do(t, "GET", url, "", "Client-Cert", certtest.Header(good.Leaf)); status != want || want == 200 && body != in {
			t.Errorf("the header at %s: %d %s, want %d", url, status, body, want)
		}
	}
	if log := m.logged(); !strings.Contains(log, `"reason":"certificate_required"`) || !strings.Contains(log, "does not name clientAuth") {
		t.Error("the log does not say what is wrong with a certificate")
	}
}

// TestE2E_RHTTP4AnotherHost: R-HTTP-4, T-64. An HTTP/2 connection that was opened for
// another host is of no use at a site with certificates, whether Caddy looks at it first
// or not.
func TestE2E_RHTTP4AnotherHost(t *testing.T) {
	for name, options := range map[string]string{"Caddy's own check": "", "ours alone": "servers {\n strict_sni_host insecure_off\n }"} {
		t.Run(name, func(t *testing.T) {
			m := mutualSites(t, options)
			good := m.ca.Issue(t, clientName)
			client := m.client(&good, nil)
			for _, from := range []string{"open", "by-server", "own"} {
				if status, body, state := m.ask(client, from, ""); status != 200 || state.NegotiatedProtocol != "h2" {
					t.Fatalf("%s: %d %s", from, status, body)
				}
				for _, to := range []string{"own", "by-server"} {
					want := 421
					if from == to {
						want = 200
					}
					if status, body, _ := m.ask(client, from, to); status != want {
						t.Errorf("from %s to %s: %d %s, want %d", from, to, status, body, want)
					}
				}
			}
		})
	}
}

// TestE2E_RMT5Expires: R-MT-5, S-20. The certificate of a connection that stays open must
// still be valid. Caddy resumes no TLS session where it asks for certificates.
func TestE2E_RMT5Expires(t *testing.T) {
	m := mutualSites(t, "")
	for _, site := range []string{"own", "by-server"} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(site+" "+tls.VersionName(version), func(t *testing.T) {
				t.Parallel()
				end := time.Now().Add(8 * time.Second).Truncate(time.Second)
				short := m.ca.Issue(t, func(c *x509.Certificate) { clientName(c); c.NotAfter = end })
				cache := tls.NewLRUClientSessionCache(4)
				resuming := func(c *tls.Config) { c.ClientSessionCache, c.MaxVersion = cache, version }
				lasting := m.client(&short, resuming)
				if status, body, _ := m.ask(lasting, site, ""); status != 200 {
					t.Fatalf("first: %d %s", status, body)
				}
				if status, body, state := m.ask(m.client(&short, resuming), site, ""); status != 200 || state.DidResume {
					t.Errorf("again: %d %s, %v", status, body, state)
				}
				eventually(t, "the certificate has expired on its connection", func() bool {
					status, _, _ := m.ask(lasting, site, "")
					return status == 403 && time.Now().After(end)
				})
				if status, _, _ := m.ask(m.client(&short, resuming), site, ""); status == 200 {
					t.Error("an expired certificate is accepted on a new connection")
				}
			})
		}
	}
}

// TestE2E_T08ClientAuth: T-08, R-MT-4. What would let certificates in unverified, or
// none, does not load.
func TestE2E_T08ClientAuth(t *testing.T) {
	w, ca := newEnv(t), certtest.New(t, "clients")
	pair := ca.Server(t, "a.example.com")
	w.Write("server.pem", string(certtest.PEM(pair.Leaf)))
	w.Write("server.key", string(certtest.KeyPEM(t, pair)))
	w.Write("clients.pem", string(ca.PEM()))
	w.Write("empty.pem", "")
	for name, test := range map[string]struct{ auth, method, want string }{
		"request":                  {"client_auth {\n mode request\n }", "client_certificate", "mode request"},
		"require":                  {"client_auth {\n mode require\n }", "client_certificate", "mode require"},
		"no authority":             {"client_auth {\n mode require_and_verify\n }", "client_certificate", "no trust_pool"},
		"none":                     {"", "client_certificate", "asks clients for a certificate"},
		"an empty file":            {"client_auth {\n mode request\n }", "client_certificate {\n roots DIR/empty.pem\n }", "the file is empty"},
		"a missing file":           {"client_auth {\n mode request\n }", "client_certificate {\n roots DIR/no.pem\n }", "no.pem"},
		"a header without roots":   {"client_auth {\n mode request\n }", "client_certificate {\n from header Client-Cert\n }", "add roots"},
		"request with roots":       {"client_auth {\n mode request\n }", "client_certificate {\n roots DIR/clients.pem\n }", ""},
		"verified by Caddy":        {"client_auth {\n trust_pool file DIR/clients.pem\n }", "client_certificate", ""},
		"an address":               {"client_auth {\n trust_pool file DIR/clients.pem\n }\n }\n}\nhttps://127.0.0.1:8443 {\n tls DIR/server.pem DIR/server.key {\n client_auth {\n trust_pool file DIR/clients.pem\n }", "client_certificate", "clients send no name"},
		"another site's, verified": {"client_auth {\n trust_pool file DIR/clients.pem\n }\n }\n}\nhttps://b.example.com:8443 {\n tls DIR/server.pem DIR/server.key {\n client_auth {\n mode request\n }\n }\n respond b\n}\nhttps://c.example.com:8443 {\n tls DIR/server.pem DIR/server.key {\n client_auth {\n trust_pool file DIR/clients.pem\n }", "client_certificate", ""},
	} {
		config := "{\n auto_https off\n}\nhttps://a.example.com:8443 {\n tls DIR/server.pem DIR/server.key {\n" + test.auth + "\n }\n policy_auth {\n" + test.method + "\n }\n respond ok\n}\n"
		w.Write("one.Caddyfile", strings.ReplaceAll(config, "DIR", w.Dir))
		output, err := exec.Command(binary(t), "validate", "--config", w.Dir+"/one.Caddyfile", "--adapter", "caddyfile").CombinedOutput()
		if (err == nil) != (test.want == "") || !strings.Contains(string(output), test.want) {
			t.Errorf("%s: %v %s", name, err, output)
		}
	}
}

// TestE2EBindingWarning: a site on which no bound token can ever be accepted says so when
// it loads, and others do not.
func TestE2EBindingWarning(t *testing.T) {
	w, ca := newEnv(t), certtest.New(t, "clients")
	pair := ca.Server(t, "a.example.com")
	w.Write("server.pem", string(certtest.PEM(pair.Leaf)))
	w.Write("server.key", string(certtest.KeyPEM(t, pair)))
	w.Write("clients.pem", string(ca.PEM()))
	const (
		bound   = "jwt https://id.example.com {\n secret " + jwtSecret + "\n audience a\n require_certificate_binding\n }"
		request = " tls DIR/server.pem DIR/server.key {\n client_auth {\n mode request\n }\n }\n"
		noAuth  = "no token can be accepted with require_certificate_binding"
	)
	for name, test := range map[string]struct {
		site   string
		warned bool
	}{
		"no client_auth": {"", true},
		"client_auth":    {request, false},
	} {
		config := "{\n auto_https off\n}\nhttps://a.example.com:8443 {\n" + test.site + " policy_auth {\n" + bound + "\n }\n respond ok\n}\n"
		w.Write("one.Caddyfile", strings.ReplaceAll(config, "DIR", w.Dir))
		output, err := exec.Command(binary(t), "validate", "--config", w.Dir+"/one.Caddyfile", "--adapter", "caddyfile").CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v %s", name, err, output)
		}
		if strings.Contains(string(output), noAuth) != test.warned {
			t.Errorf("%s: %s", name, output)
		}
	}
}
