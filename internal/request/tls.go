package request

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/clientcert"
)

// noCertificate is the certificate in the document if the client has none.
var noCertificate = Certificate{DNSNames: []string{}, Emails: []string{}, URIs: []string{}}

// TLS describes the request's connection.
func (r *Request) TLS() TLS {
	described := TLS{ClientCertificate: certificate(r.clientCertificate())}
	if state := r.http.TLS; state != nil {
		described.Version = strings.TrimPrefix(tls.VersionName(state.Version), "TLS ")
		described.SNI, described.ALPN = toValidUTF8(state.ServerName), toValidUTF8(state.NegotiatedProtocol)
	}
	return described
}

// clientCertificate returns the client's own certificate, or nil, and whether a chain
// from it was verified that has not expired since. The certificate of a trusted proxy's
// connection is not the client's (S-20).
func (r *Request) clientCertificate() (leaf *x509.Certificate, verified bool) {
	if read := r.config.ClientCertificate; read != nil {
		return read(r.http, r.meta.TrustedProxy)
	}
	state := r.http.TLS
	if state == nil || len(state.PeerCertificates) == 0 || r.meta.TrustedProxy {
		return nil, false
	}
	leaf = state.PeerCertificates[0]
	return leaf, len(state.VerifiedChains) > 0 && !r.Time().After(leaf.NotAfter)
}

// Misdirected reports whether the TLS handshake was for another host than the request
// (RFC 9110, section 15.5.20): what is known of the client by its connection then counts
// for that host alone. The handshake for an address names no host, and what a trusted
// proxy names says nothing about the client.
func (r *Request) Misdirected() bool {
	state := r.http.TLS
	if state == nil || r.meta.TrustedProxy {
		return false
	}
	if state.ServerName == "" {
		return !isLocalAddress(r.http, r.host)
	}
	return !strings.EqualFold(strings.TrimSuffix(state.ServerName, "."), r.host)
}

// isLocalAddress reports whether a host is the address at which the request came in.
func isLocalAddress(r *http.Request, host string) bool {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local == nil {
		return false
	}
	addr, err := netip.ParseAddrPort(local.String())
	return err == nil && addr.Addr().Unmap().WithZone("").String() == host
}

// certificate describes a certificate.
func certificate(leaf *x509.Certificate, verified bool) Certificate {
	if leaf == nil {
		return noCertificate
	}
	digest := sha256.Sum256(leaf.Raw)
	return Certificate{
		Verified: verified,
		Subject:  toValidUTF8(clientcert.DistinguishedName(leaf.RawSubject)),
		Issuer:   toValidUTF8(clientcert.DistinguishedName(leaf.RawIssuer)),
		Serial:   clientcert.Serial(leaf),
		SHA256:   hex.EncodeToString(digest[:]),
		NotAfter: leaf.NotAfter.Unix(),
		DNSNames: allValidUTF8(leaf.DNSNames),
		Emails:   allValidUTF8(leaf.EmailAddresses),
		URIs:     allValidUTF8(uris(leaf)),
	}
}

func uris(leaf *x509.Certificate) []string {
	texts := make([]string, len(leaf.URIs))
	for i, uri := range leaf.URIs {
		texts[i] = uri.String()
	}
	return texts
}

// allValidUTF8 returns texts as UTF-8; never nil.
func allValidUTF8(texts []string) []string {
	result := make([]string, len(texts))
	for i, text := range texts {
		result[i] = toValidUTF8(text)
	}
	return result
}
