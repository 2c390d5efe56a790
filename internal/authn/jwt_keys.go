package authn

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// keys opens where the keys come from.
func (j *JWT) keys(ctx caddy.Context) (token.KeySource, error) {
	switch {
	case j.Secret != "":
		return j.secretKey(ctx.Logger())
	case j.JWKSFile != "":
		return j.files("jwks", []string{j.JWKSFile}, token.ParseJWKFile)
	case len(j.KeyFiles) > 0:
		return j.files("pem", j.KeyFiles, parsePEM)
	}
	config, err := j.remote()
	if err != nil {
		return nil, err
	}
	remote, release, err := acquireRemote(config, ctx.Storage())
	j.release = release
	return remote, err
}

// remote says how published keys are fetched.
func (j *JWT) remote() (token.RemoteKeySetConfig, error) {
	config := token.RemoteKeySetConfig{Issuer: j.Issuer, URL: j.JWKSURL, DiscoveryURL: j.DiscoveryURL, MaxStale: time.Duration(j.MaxStale)}
	if j.JWKSBearer != "" {
		text := j.JWKSBearer
		config.Bearer, config.Client = func() (string, error) { return readBearer(text) }, "bearer "+text
		if _, err := config.Bearer(); err != nil {
			return config, err
		}
	}
	var err error
	config.Roots, err = readRoots(j.TLSCA)
	return config, err
}

func (j *JWT) files(form string, paths []string, parse keyParser) (token.KeySource, error) {
	source, release, err := keyFiles.Acquire([]any{form, paths}, func() (*keyFileSource, error) { return openKeyFiles(paths, parse) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", map[string]string{"jwks": "jwks_file", "pem": "key_file"}[form], err)
	}
	j.release = release
	return source, nil
}

func (j *JWT) secretKey(logger *zap.Logger) (token.KeySource, error) {
	secret, err := caddy.NewReplacer().ReplaceOrErr(j.Secret, true, true)
	if err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	key, warnings, err := token.NewHMACKey([]byte(secret))
	if err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	for _, warning := range warnings {
		logger.Warn(warning, zap.String("issuer", j.Issuer))
	}
	return token.NewKeySet(key)
}

// checkKeys reports a choice of keys that cannot be.
func (j *JWT) checkKeys() error {
	sources := 0
	for _, set := range []bool{j.JWKSURL != "", j.JWKSFile != "", len(j.KeyFiles) > 0, j.Secret != ""} {
		if set {
			sources++
		}
	}
	published := j.JWKSURL != "" || sources == 0
	if err := j.checkFetched(published, sources); err != nil {
		return err
	}
	switch {
	case sources > 1:
		return errors.New("more than one of jwks_url jwks_file key_file secret says where the keys are")
	case sources == 0 && j.Issuer == anyone:
		return errors.New("any issuer's tokens are accepted only with keys that you name: one of jwks_url jwks_file key_file secret")
	case published && j.Issuer == anyone && slices.Contains(j.Audience, anyone):
		return errors.New("any issuer with jwks_url needs an audience: else every token that those keys sign is accepted")
	case !published && j.MaxStale != 0:
		return errors.New("max_stale is used only when keys are fetched over the network, and jwks_file, key_file and secret fetch none: remove max_stale")
	case !published:
		return nil
	}
	_, err := token.NewRemoteKeySet(token.RemoteKeySetConfig{Issuer: j.Issuer, URL: j.JWKSURL, DiscoveryURL: j.DiscoveryURL})
	if err != nil && sources == 0 {
		return fmt.Errorf("the issuer's keys cannot be discovered: %w; or say where they are: one of jwks_url jwks_file key_file secret", err)
	}
	return err
}

// checkFetched reports words about fetching keys where nothing, or something else,
// is fetched.
func (j *JWT) checkFetched(published bool, sources int) error {
	switch {
	case sources > 1:
		return nil // has an error of its own
	case j.DiscoveryURL != "" && sources > 0:
		return errors.New("discovery_url names the metadata that says where the keys are, and jwks_url, jwks_file, key_file and secret say it themselves: remove one of the two")
	case j.DiscoveryURL != "" && j.Issuer == anyone:
		return errors.New("discovery_url: the metadata names one issuer, and any is none: name the issuer, or write jwks_url")
	case j.TLSCA != "" && !published:
		return errors.New("tls_ca is used only when keys are fetched over the network, and jwks_file, key_file and secret fetch none: remove tls_ca")
	case j.TLSCA != "" && strings.HasPrefix(j.JWKSURL, "http://"):
		return errors.New("tls_ca: jwks_url is http, which has no certificate: remove tls_ca, or write https")
	case j.JWKSBearer != "" && !published:
		return errors.New("jwks_bearer is used only when keys are fetched over the network, and jwks_file, key_file and secret fetch none: remove jwks_bearer")
	}
	return checkDiscoveryURL(j.DiscoveryURL)
}

// placeholderKeys fit every algorithm of their sort: they stand in while the
// configuration is checked without its files.
type placeholderKeys bool

// Candidates implements token.KeySource.
func (placeholderKeys) Candidates(string, string) ([]token.Key, error) { return nil, nil }

// Generation implements token.KeySource.
func (placeholderKeys) Generation() any { return nil }

// Algorithms implements token.KeySource.
func (symmetric placeholderKeys) Algorithms() []string {
	if symmetric {
		return token.SymmetricAlgorithms()
	}
	return token.AsymmetricAlgorithms()
}
