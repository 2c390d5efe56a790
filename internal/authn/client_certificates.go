package authn

import (
	"crypto/x509"
	"net/http"

	"github.com/policyauth/caddy-policy-auth/internal/clientcert"
)

// ReadsCertificates reports whether a method reads client certificates.
func (c *Chain) ReadsCertificates() bool { return c.certificates }

// CertificateHeaders returns the canonical names of the headers in which trusted proxies
// forward certificates.
func (c *Chain) CertificateHeaders() []string {
	var names []string
	for _, method := range c.certificateMethods() {
		if method.Header != "" {
			names = append(names, method.Header, clientcert.ChainHeader(method.Header))
		}
	}
	return names
}

// certificateMethods returns the methods of this package that read certificates.
func (c *Chain) certificateMethods() []*ClientCertificate {
	var found []*ClientCertificate
	for _, method := range c.methods {
		if m, ok := method.Authenticator.(*ClientCertificate); ok {
			found = append(found, m)
		}
	}
	return found
}

// ClientCertificates returns what finds the certificate of a request's client, nil if it
// has none, and whether a method has verified it. It returns nil if no client_certificate
// method says what is verified. The certificate of a trusted proxy's connection is never
// the client's.
func (c *Chain) ClientCertificates() func(r *http.Request, trustedProxy bool) (leaf *x509.Certificate, verified bool) {
	methods := c.certificateMethods()
	if len(methods) == 0 {
		return nil
	}
	return func(r *http.Request, trustedProxy bool) (leaf *x509.Certificate, verified bool) {
		for _, method := range methods {
			caller := method.caller(r, trustedProxy)
			switch {
			case caller == nil:
			case caller.Verified:
				return caller.Leaf, true
			case leaf == nil:
				leaf = caller.Leaf
			}
		}
		return leaf, false
	}
}
