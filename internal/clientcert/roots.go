package clientcert

import (
	"crypto/x509"
	"errors"
	"maps"
	"slices"

	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// Roots are the authorities that may issue client certificates.
type Roots struct {
	pool *x509.CertPool
}

// NewRoots returns the certificates in PEM files, by name. A file without a certificate
// or with other content is an error that names it. Without files it is an error, too: no
// roots would mean those of the system, which issue certificates to anyone.
func NewRoots(files map[string][]byte) (*Roots, error) {
	roots := &Roots{pool: x509.NewCertPool()}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		certificates, err := token.ParseCertificates(name, files[name])
		if err != nil {
			return nil, err
		}
		for _, certificate := range certificates {
			roots.pool.AddCert(certificate)
		}
	}
	if len(files) == 0 {
		return nil, errors.New("there is no file of certificates")
	}
	return roots, nil
}
