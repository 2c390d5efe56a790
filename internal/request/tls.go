package request

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"strings"
)

// noCertificate is the certificate in the document if the client has none.
var noCertificate = Certificate{DNSNames: []string{}, Emails: []string{}, URIs: []string{}}

// TLS describes the request's connection.
func (r *Request) TLS() TLS {
	state := r.http.TLS
	if state == nil {
		return TLS{ClientCertificate: noCertificate}
	}
	return TLS{
		Version:           strings.TrimPrefix(tls.VersionName(state.Version), "TLS "),
		SNI:               toValidUTF8(state.ServerName),
		ALPN:              toValidUTF8(state.NegotiatedProtocol),
		ClientCertificate: certificate(state),
	}
}

// certificate describes the leaf of the client's certificates.
func certificate(state *tls.ConnectionState) Certificate {
	if len(state.PeerCertificates) == 0 {
		return noCertificate
	}
	leaf := state.PeerCertificates[0]
	digest := sha256.Sum256(leaf.Raw)
	return Certificate{
		Verified: len(state.VerifiedChains) > 0,
		Subject:  toValidUTF8(leaf.Subject.String()),
		Issuer:   toValidUTF8(leaf.Issuer.String()),
		Serial:   leaf.SerialNumber.String(),
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
