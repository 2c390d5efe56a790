package authn

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// maxRoots bounds a file of root certificates, in bytes.
const maxRoots = 1 << 20

// readRoots reads the certificates of a tls_ca; "" is none, for the system's. The
// content is read when a configuration loads and stays as it was until the next.
func readRoots(path string) (*token.RootCAs, error) {
	if path == "" {
		return nil, nil
	}
	tree, err := files.Read(context.Background(), files.Options{Paths: []string{path}, MaxBytes: maxRoots})
	if err != nil {
		return nil, fmt.Errorf("tls_ca: %w", err)
	}
	data, isFile := tree[path]
	if !isFile {
		return nil, fmt.Errorf("tls_ca: %s is a directory; name a file of certificates in PEM", path)
	}
	roots, err := token.ParseRootCAs(path, data)
	if err != nil {
		return nil, fmt.Errorf("tls_ca: %w", err)
	}
	return roots, nil
}

// checkDiscoveryURL reports a URL from which no metadata can be fetched.
func checkDiscoveryURL(url string) error {
	if url == "" {
		return nil
	}
	if _, err := token.CheckURL(url); err != nil {
		return fmt.Errorf("discovery_url: %w", err)
	}
	return nil
}

// readBearer returns the credential that a jwks_bearer stands for now. Its error
// tells no part of it.
func readBearer(text string) (string, error) {
	value, err := caddy.NewReplacer().ReplaceOrErr(text, true, true)
	if err != nil {
		return "", fmt.Errorf("jwks_bearer: %w", err)
	}
	value = strings.TrimSpace(value)
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", errors.New("jwks_bearer: its value is not a token: want printable ASCII without spaces, on one line")
	}
	return value, nil
}

// checkIssuer returns an error for the URL of an issuer's discovery document, which is
// often confused with the issuer.
func checkIssuer(issuer string) error {
	before, after, found := strings.Cut(issuer, "/.well-known/")
	if !found {
		return nil
	}
	_, path, _ := strings.Cut(after, "/") // RFC 8414, section 3.1, puts the issuer's path behind
	if path != "" {
		before += "/" + path
	}
	return fmt.Errorf("%s is the address of a discovery document; the issuer is most likely %s, as its field issuer says", issuer, before)
}
