package clientcert

import (
	"crypto/x509"
	"errors"
	"net/url"
	"strings"
)

// isSPIFFE reports whether a certificate names a workload by a SPIFFE ID.
func isSPIFFE(leaf *x509.Certificate) bool {
	for _, uri := range leaf.URIs {
		if uri.Scheme == "spiffe" {
			return true
		}
	}
	return false
}

// spiffeID returns the SPIFFE ID of a certificate (SPIFFE X.509-SVID, sections 2 and 4):
// the only URI, of a certificate that is not an authority's.
func spiffeID(leaf *x509.Certificate) (string, error) {
	switch {
	case len(leaf.URIs) != 1:
		return "", errors.New("a SPIFFE ID beside another URI")
	case leaf.IsCA || leaf.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0:
		return "", errors.New("a SPIFFE ID in the certificate of an authority")
	}
	return checkSPIFFE(leaf.URIs[0])
}

// checkSPIFFE returns a SPIFFE ID as text (SPIFFE ID, section 2).
func checkSPIFFE(uri *url.URL) (string, error) {
	text := uri.String()
	domain, path, hasPath := strings.Cut(strings.TrimPrefix(text, "spiffe://"), "/")
	switch {
	case domain == "", len(domain) > 255, len(text) > maxName, !consistsOf(domain, "abcdefghijklmnopqrstuvwxyz0123456789.-_"):
		return "", errors.New("not a valid SPIFFE ID: its trust domain")
	case !hasPath:
		return text, nil
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" || segment == "." || segment == ".." || !consistsOf(segment, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") {
			return "", errors.New("not a valid SPIFFE ID: its path")
		}
	}
	return text, nil
}

func consistsOf(text, allowed string) bool { return strings.Trim(text, allowed) == "" }
