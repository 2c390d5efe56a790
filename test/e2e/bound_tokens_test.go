//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"
)

// boundMethods are methods that accept the provider's tokens, by the format of these.
var boundMethods = map[string]string{
	"jwt": `jwt ISSUER {
				audience https://api.example.com`,
	"opaque": `introspection ISSUER/token/introspection {
				client_id by-key
				client_secret test-material-not-a-secret
				client_auth_method post
				audience https://api.example.com
				map id client_id`,
}

// TestE2EBoundTokens: tokens that a certified provider binds to a key or a certificate
// are worth something to their holder alone, whether the token says so or the
// introspection endpoint: a DPoP client of another project, and one with a certificate
// over mutual TLS.
//
// R-DP-1, R-DP-2, R-DP-6, R-DP-7, R-DP-8, R-MT-1, R-INT-5, S-24, S-40, R-BR-12
func TestE2EBoundTokens(t *testing.T) {
	for format, method := range boundMethods {
		t.Run(format, func(t *testing.T) { testBoundTokens(t, format, method) })
	}
}

func testBoundTokens(t *testing.T, format, method string) {
	w := newEnv(t)
	issuer := startBoundProvider(t, format)
	own, other := writeCertificate(t, w, "own.pem"), writeCertificate(t, w, "other.pem")
	admin, plain, secure := "127.0.0.1:"+port(t), port(t), port(t)
	w.Write("Caddyfile", strings.NewReplacer("ADMIN", admin, "PLAIN", plain, "SECURE", secure, "METHOD", strings.ReplaceAll(method, "ISSUER", issuer)).Replace(`{
	admin ADMIN
	skip_install_trust
	auto_https disable_redirects
	log {
		level DEBUG
	}
}
(site) {
	log
	handle /strict {
		policy_auth {
			METHOD
				require_dpop
			}
		}
		respond strict
	}
	handle {
		policy_auth {
			METHOD
			}
		}
		respond "{http.auth.user.id}, authorization \"{http.request.header.Authorization}\", proof \"{http.request.header.DPoP}\""
	}
}
http://127.0.0.1:PLAIN {
	import site
}
https://localhost:SECURE {
	tls {
		issuer internal
		client_auth {
			mode request
		}
	}
	import site
}
`))
	s := start(t, w.Dir, "Caddyfile", admin)
	address := "127.0.0.1:" + secure
	eventually(t, "a certificate", func() bool {
		_, err := overHTTP2(address, query{"GET", "/", "localhost", nil})
		return err == nil
	})
	client := node(t, "bound.mjs", "client", issuer, "http://127.0.0.1:"+plain, "https://localhost:"+secure, own, other)
	if output, err := client.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
	log := s.logged()
	for _, reason := range []string{`"reason":"proof_invalid"`, `"reason":"token_unbound"`, "the proof was used before", "require_dpop: the token is not bound"} {
		if !strings.Contains(log, reason) {
			t.Errorf("the log has no %s", reason)
		}
	}
	for line := range strings.Lines(log) {
		if strings.Contains(line, "eyJ") && !strings.Contains(line, `"logger":"http.log.access`) { // Caddy's own log has the header DPoP
			t.Errorf("the log has a token or a proof: %s", line)
		}
	}
}

// startBoundProvider runs the provider and returns its issuer.
func startBoundProvider(t *testing.T, format string) string {
	t.Helper()
	listen := port(t)
	if line := firstLine(t, node(t, "bound.mjs", "provider", listen, "https://api.example.com", format)); line != "ready" {
		t.Fatal(line)
	}
	return "http://localhost:" + listen
}

// writeCertificate writes a key and a certificate that it signs itself, and returns the
// path of the file.
func writeCertificate(t *testing.T, w *env, name string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(name, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))+string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})))
	return w.Dir + "/" + name
}
