package clientcert

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Limits of what a client presents.
const (
	// maxCertificate limits one certificate, in bytes of DER.
	maxCertificate = 16 << 10
	// maxRSABits limits RSA keys, in bits, as crypto/tls limits those of a connection: a key
	// that fills a certificate takes seconds for one signature.
	maxRSABits = 8192
	// maxIntermediates limits the certificates beside the client's own. Verifying takes
	// time for each of them.
	maxIntermediates = 8
)

// ChainHeader returns the header with the intermediates for the header of a client's
// certificate: Client-Cert-Chain for Client-Cert (RFC 9440, section 2.3).
func ChainHeader(name string) string { return name + "-Chain" }

// ParseForwarded parses the lines of Client-Cert, which must be one, and those of
// Client-Cert-Chain (RFC 9440, sections 2.2 and 2.3). It returns the client's certificate
// and the others. Nothing is verified.
func ParseForwarded(leaf, chain []string) (*x509.Certificate, []*x509.Certificate, error) {
	if len(leaf) != 1 {
		return nil, nil, fmt.Errorf("the header of the certificate has %d lines instead of one", len(leaf))
	}
	certificate, err := parseCertificate(leaf[0])
	if err != nil {
		return nil, nil, fmt.Errorf("the forwarded certificate: %w", err)
	}
	var others []*x509.Certificate
	for _, line := range chain {
		for item := range strings.SplitSeq(line, ",") {
			if len(others) == maxIntermediates {
				return certificate, nil, errTooMany
			}
			other, err := parseCertificate(strings.Trim(item, " \t"))
			if err != nil {
				return certificate, nil, fmt.Errorf("certificate %d of the forwarded chain: %w", len(others)+1, err)
			}
			others = append(others, other)
		}
	}
	return certificate, others, nil
}

// parseCertificate parses a certificate as a byte sequence of structured fields (RFC
// 9651, section 3.3.5): its DER in base64 with padding, between colons.
func parseCertificate(text string) (*x509.Certificate, error) {
	if len(text) < 2 || text[0] != ':' || text[len(text)-1] != ':' {
		return nil, errors.New("want the DER in base64 between two colons (RFC 9440), not PEM")
	}
	encoded := text[1 : len(text)-1]
	if len(encoded) > base64.StdEncoding.EncodedLen(maxCertificate) {
		return nil, errTooLarge
	}
	if strings.ContainsAny(encoded, "\r\n") { // which the decoder would skip
		return nil, errors.New("a line end in base64")
	}
	der, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, errors.New("not base64 with padding")
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errors.New("not an X.509 certificate")
	}
	if public, isRSA := certificate.PublicKey.(*rsa.PublicKey); isRSA && public.N.BitLen() > maxRSABits {
		return nil, errLargeKey
	}
	return certificate, nil
}
