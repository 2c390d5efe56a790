package clientcert

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
)

var (
	errNoRoots    = errors.New("there are no roots to verify a forwarded certificate")
	errNoName     = errors.New("the certificate has none of the names that identity lists: add the part that names its holder, such as identity subject")
	errUnverified = errors.New("the TLS server has not verified the certificate")
	errExpired    = errors.New("a certificate of the chain has expired or is not valid yet")
	errUnknown    = errors.New("no chain leads from the certificate to one in roots: add its authority there, or let the client send the intermediate certificates, too")
	errUsage      = errors.New("the certificate is not for client authentication: its extended key usage does not name clientAuth")
	errTooMany    = fmt.Errorf("more than %d certificates besides the client's", maxIntermediates)
	errLargeKey   = fmt.Errorf("an RSA key of more than %d bits", maxRSABits)
	errTooLarge   = fmt.Errorf("a certificate of more than %d bytes", maxCertificate)
)

// describe returns an error of crypto/x509 without the names that the client chose.
func describe(err error) error {
	var (
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &unknown):
		return errUnknown
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return errExpired
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return errUsage
	case errors.As(err, &invalid):
		return fmt.Errorf("the chain is not valid (reason %d of crypto/x509)", invalid.Reason)
	}
	if errors.Is(err, errUsage) {
		return err
	}
	return fmt.Errorf("the certificate is not valid (%T)", err)
}

// checkUsage returns an error unless a certificate names client authentication among its
// extended key usages. crypto/x509 accepts one that names none for every purpose.
func checkUsage(leaf *x509.Certificate) error {
	if !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) {
		return errUsage
	}
	return nil
}

// checkSize returns an error for more certificates than are verified for one client.
func checkSize(presented []*x509.Certificate) error {
	if len(presented) > 1+maxIntermediates {
		return errTooMany
	}
	for _, certificate := range presented {
		if len(certificate.Raw) > maxCertificate {
			return errTooLarge
		}
	}
	return nil
}
