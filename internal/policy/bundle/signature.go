package bundle

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/bundle"

	"github.com/policyauth/caddy-policy-auth/internal/files"
)

// VerifyKey is a key that verifies the signatures of packed bundles.
type VerifyKey struct {
	// Path is a file with a public key or a certificate (PEM), or with a secret if the
	// algorithm is one of HMAC.
	Path string `json:"path"`
	// Algorithm is that of the signature, such as RS256; "" is the usual one of the key's
	// type.
	Algorithm string `json:"algorithm,omitempty"`
}

// SignatureAlgorithms are the algorithms that a VerifyKey can have.
func SignatureAlgorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "HS256", "HS384", "HS512"}
}

// verifier checks the signature of the files of a bundle, by their names.
type verifier func(entries map[string][]byte) error

// errNoKey refuses a signed bundle, as OPA does without a key (N-64).
var errNoKey = errors.New("the bundle is signed, and there is no key to verify it: name the file of its public key with verify_key")

// verifier returns what verifies packed bundles with the keys of the options, which are
// in the tree. When a key changes, all bundles are verified again.
func (l *Loader) verifier(tree files.Tree) (verifier, error) {
	var configs []*bundle.VerificationConfig
	digest := files.Tree{}
	for _, key := range l.options.VerifyKeys {
		config, err := key.config(tree[key.Path])
		if err != nil {
			return nil, fmt.Errorf("verify_key %s: %w", key.Path, err)
		}
		digest[key.Path] = tree[key.Path]
		configs = append(configs, bundle.NewVerificationConfig(map[string]*bundle.KeyConfig{configuredKey: config}, configuredKey, l.options.VerifyScope, nil))
	}
	if now := digest.Fingerprint(); now != l.keys {
		clear(l.archives)
		l.keys = now
	}
	switch {
	case l.options.SkipVerification:
		return func(map[string][]byte) error { return nil }, nil
	case len(configs) == 0:
		return refuseSigned, nil
	}
	return func(entries map[string][]byte) error { return verifySigned(entries, configs) }, nil
}

// configuredKey is the ID of the key of the configuration: it is used whichever one a
// signature names.
const configuredKey = "configured"

// refuseSigned refuses a bundle that is signed.
func refuseSigned(entries map[string][]byte) error {
	for name := range entries {
		if path.Base(name) == signaturesName {
			return errNoKey
		}
	}
	return nil
}

// config returns the key for OPA, with the algorithm that it verifies.
func (k VerifyKey) config(content []byte) (*bundle.KeyConfig, error) {
	if strings.HasPrefix(k.Algorithm, "HS") {
		secret := strings.TrimSpace(string(content))
		switch {
		case strings.HasPrefix(secret, "-----BEGIN"):
			return nil, fmt.Errorf("%s signs with a secret, and the file has a key in PEM, which others may know", k.Algorithm)
		case len(secret) < 32:
			return nil, errors.New("the secret is shorter than 32 characters")
		}
		return &bundle.KeyConfig{Key: secret, Algorithm: k.Algorithm}, nil
	}
	fits, err := algorithmsOf(content)
	switch {
	case err != nil:
		return nil, err
	case k.Algorithm == "":
		return &bundle.KeyConfig{Key: string(content), Algorithm: fits[0]}, nil
	case !slices.Contains(fits, k.Algorithm):
		return nil, fmt.Errorf("the key does not fit the algorithm %s; it fits %s", k.Algorithm, strings.Join(fits, ", "))
	}
	return &bundle.KeyConfig{Key: string(content), Algorithm: k.Algorithm}, nil
}

// algorithmsOf returns the algorithms that a public key in PEM can verify, the usual one
// first.
func algorithmsOf(content []byte) ([]string, error) {
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, errors.New("the file has no public key in PEM (-----BEGIN PUBLIC KEY-----)")
	}
	var key any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = certificate.PublicKey
		}
	default:
		return nil, fmt.Errorf("the file has a %s, not a public key; a private key stays with the one who signs", strings.ToLower(block.Type))
	}
	if err != nil {
		return nil, err
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, nil
	case *ecdsa.PublicKey:
		switch key.Curve.Params().BitSize {
		case 256:
			return []string{"ES256"}, nil
		case 384:
			return []string{"ES384"}, nil
		case 521:
			return []string{"ES512"}, nil
		}
	case ed25519.PublicKey:
		return nil, errors.New("OPA does not sign bundles with Ed25519; use RSA or ECDSA")
	}
	return nil, errors.New("the key is neither RSA nor ECDSA with P-256, P-384 or P-521")
}

// verifySigned verifies a bundle with the first of the keys that fits, and holds every
// file to the hash that was signed (OPA, "Bundle signing"). Files that are missing or
// that nothing signed are errors.
func verifySigned(entries map[string][]byte, configs []*bundle.VerificationConfig) error {
	content, signed := entries[signaturesName]
	if !signed {
		return fmt.Errorf("the bundle is not signed: it has no %s, which verify_key asks for", signaturesName)
	}
	var signatures bundle.SignaturesConfig
	if err := json.Unmarshal(content, &signatures); err != nil {
		return fmt.Errorf("%s: %w", signaturesName, err)
	}
	hashes, err := verifySignature(signatures, configs)
	if err != nil {
		return err
	}
	for name, data := range entries {
		if name == signaturesName {
			continue
		}
		if err := verifyFile(name, data, hashes); err != nil {
			return err
		}
	}
	if len(hashes) > 0 {
		return fmt.Errorf("%s: signed, but not in the bundle: %s", signaturesName, shown(strings.Join(slices.Sorted(maps.Keys(hashes)), ", ")))
	}
	return nil
}

// verifySignature returns the signed hash of each file.
func verifySignature(signatures bundle.SignaturesConfig, configs []*bundle.VerificationConfig) (map[string]bundle.FileInfo, error) {
	var problems []error
	for _, config := range configs {
		hashes, err := bundle.VerifyBundleSignature(signatures, config)
		if err == nil {
			return hashes, nil
		}
		problems = append(problems, fmt.Errorf("%s: %w", signaturesName, err))
	}
	return nil, JoinErrors(problems)
}

// verifyFile compares a file with its signed hash. OPA would take MD5 and SHA-1 as well,
// with which two files can have one hash.
func verifyFile(name string, data []byte, hashes map[string]bundle.FileInfo) error {
	switch bundle.HashingAlgorithm(hashes[name].Algorithm) {
	case bundle.MD5, bundle.SHA1:
		return fmt.Errorf("%s: %s is signed by its %s, which is not safe; sign with SHA-256", signaturesName, shown(name), hashes[name].Algorithm)
	}
	if err := bundle.VerifyBundleFile(name, *bytes.NewBuffer(data), hashes); err != nil {
		return fmt.Errorf("%s: %w", signaturesName, err)
	}
	return nil
}
