package token

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"
)

// RootCAs are root certificates that replace the system's. Call ParseRootCAs.
type RootCAs struct {
	pool   *x509.CertPool
	digest string
}

// ParseRootCAs parses a PEM file of certificates as ParseCertificates does.
func ParseRootCAs(name string, data []byte) (*RootCAs, error) {
	certificates, err := ParseCertificates(name, data)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(data)
	roots := &RootCAs{pool: x509.NewCertPool(), digest: hex.EncodeToString(digest[:])}
	for _, certificate := range certificates {
		roots.pool.AddCert(certificate)
	}
	return roots, nil
}

// ParseCertificates parses a PEM file of certificates of authorities. Text before a
// block is skipped. A file without a certificate or with other content is an error,
// which names the file and the number of the block.
func ParseCertificates(name string, data []byte) (certificates []*x509.Certificate, err error) {
	count := 0
	for len(bytes.TrimSpace(data)) > 0 {
		block, rest := pem.Decode(data)
		switch {
		case bytes.Count(data[:len(data)-len(rest)], pemBegin) > 1 || block == nil && bytes.Contains(data, pemBegin):
			return nil, fmt.Errorf("%s: block %d: broken or not ended", name, count+1)
		case block == nil && count == 0:
			return nil, fmt.Errorf("%s: no PEM block found (wanted: CERTIFICATE)", name)
		case block == nil:
			return nil, fmt.Errorf("%s: something follows block %d that is not PEM", name, count)
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return nil, fmt.Errorf("%s: block %d: a private key, which has no place here: the file must hold the certificate of the CA that issued the other side's", name, count+1)
		case block.Type != "CERTIFICATE":
			return nil, fmt.Errorf("%s: block %d: %q is not supported (allowed: CERTIFICATE)", name, count+1, block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: block %d: not a usable certificate: %w", name, count+1, err)
		}
		certificates = append(certificates, certificate)
		count, data = count+1, rest
	}
	if count == 0 {
		return nil, fmt.Errorf("%s: the file is empty (wanted: CERTIFICATE)", name)
	}
	return certificates, nil
}

// Digest identifies the certificates; it is "" for nil, which means the system's.
func (r *RootCAs) Digest() string {
	if r == nil {
		return ""
	}
	return r.digest
}
