// Package certtest makes certificate authorities and client certificates for tests.
package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/url"
	"testing"
	"time"
)

// CA is a certificate authority.
type CA struct {
	// Certificate is its own.
	Certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// New returns an authority that signs itself. It is valid for a day before and after now.
func New(t testing.TB, name string) *CA {
	t.Helper()
	return newCA(t, name, nil, nil)
}

// Intermediate returns an authority whose certificate ca signs, for all uses unless some
// are named.
func (ca *CA) Intermediate(t testing.TB, name string, uses ...x509.ExtKeyUsage) *CA {
	t.Helper()
	return newCA(t, name, ca, uses)
}

func newCA(t testing.TB, name string, parent *CA, uses []x509.ExtKeyUsage) *CA {
	template := template(t)
	template.Subject = pkix.Name{CommonName: name, Organization: []string{"Example"}}
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	template.ExtKeyUsage = uses
	template.NotBefore, template.NotAfter = time.Now().Add(-24*time.Hour), time.Now().Add(24*time.Hour)
	key := newKey(t)
	self := &CA{Certificate: template, key: key}
	if parent == nil {
		parent = self
	}
	return &CA{Certificate: sign(t, template, parent, key), key: key}
}

// Issue returns a client certificate for an hour before and after now, which change may
// change before it is signed.
func (ca *CA) Issue(t testing.TB, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	template, key := template(t), newKey(t)
	template.Subject = pkix.Name{CommonName: "client"}
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if change != nil {
		change(template)
	}
	leaf := sign(t, template, ca, key)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

// Server returns a certificate for servers of some names.
func (ca *CA) Server(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	return ca.Issue(t, func(c *x509.Certificate) {
		c.DNSNames, c.ExtKeyUsage = names, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
}

// PEM returns the authority's certificate in PEM.
func (ca *CA) PEM() []byte { return PEM(ca.Certificate) }

// PEM returns a certificate in PEM.
func PEM(certificate *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
}

// KeyPEM returns the private key of a certificate in PEM.
func KeyPEM(t testing.TB, certificate tls.Certificate) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// Header returns a certificate as Client-Cert has it (RFC 9440, section 2.2).
func Header(certificate *x509.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(certificate.Raw) + ":"
}

// URI parses a URI.
func URI(t testing.TB, text string) *url.URL {
	t.Helper()
	uri, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return uri
}

func template(t testing.TB) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatal(err)
	}
	return &x509.Certificate{SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, template *x509.Certificate, by *CA, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, by.Certificate, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}
