package token

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// pemBegin opens a PEM block (RFC 7468, section 2).
var pemBegin = []byte("-----BEGIN ")

// ParsePEM returns the keys of a PEM file with one or more public keys (PKIX or
// PKCS #1) or certificates, whose validity is ignored. Text before a block is
// skipped. Private keys and any other content are errors, which name the file and
// the number of the block. A token may have any kid, since these keys have only
// thumbprints (RFC 7638).
func ParsePEM(name string, data []byte) ([]Key, error) {
	var keys []Key
	for len(bytes.TrimSpace(data)) > 0 {
		block, rest := pem.Decode(data)
		switch {
		case bytes.Count(data[:len(data)-len(rest)], pemBegin) > 1 || block == nil && bytes.Contains(data, pemBegin):
			// pem.Decode passes over broken blocks without a word.
			return nil, fmt.Errorf("%s: block %d: broken or not ended", name, len(keys)+1)
		case block == nil && len(keys) == 0:
			return nil, fmt.Errorf("%s: no PEM block found (wanted: PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE)", name)
		case block == nil:
			return nil, fmt.Errorf("%s: something follows block %d that is not PEM", name, len(keys))
		}
		key, err := parseBlock(name, block)
		if err != nil {
			return nil, fmt.Errorf("%s: block %d: %w", name, len(keys)+1, err)
		}
		key.id, key.pinned = key.thumbprint, true
		keys, data = append(keys, key), rest
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: the file is empty (wanted: PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE)", name)
	}
	return keys, nil
}

// parseBlock returns the key of a block.
func parseBlock(name string, block *pem.Block) (Key, error) {
	if strings.HasSuffix(block.Type, "PRIVATE KEY") {
		return Key{}, fmt.Errorf("a private key, which a verifier does not need and should not have: write its public key with openssl pkey -in %s -pubout", name)
	}
	material, err := parsePublic(block)
	if err != nil {
		return Key{}, err
	}
	key, err := newPublicKey(material)
	if err != nil {
		return Key{}, fmt.Errorf("the key %w", err)
	}
	return key, nil
}

// parsePublic returns what golang's x509 makes of a block.
func parsePublic(block *pem.Block) (any, error) {
	var (
		material any
		err      error
	)
	switch block.Type {
	case "PUBLIC KEY":
		material, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		material, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			material = certificate.PublicKey
		}
	default:
		return nil, fmt.Errorf("%q is not supported (allowed: PUBLIC KEY, RSA PUBLIC KEY, CERTIFICATE)", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("not a usable %s: %w", block.Type, err)
	}
	if material == nil {
		return nil, errors.New("its key is of an unsupported kind")
	}
	return material, nil
}
