package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// wellKnown are where an issuer's metadata may be, in the order of trying (RFC
// 8414, section 3; OpenID Connect Discovery, section 4).
func wellKnown(issuer *url.URL) []string {
	origin := issuer.Scheme + "://" + issuer.Host
	path := strings.TrimSuffix(issuer.EscapedPath(), "/")
	urls := []string{origin + "/.well-known/oauth-authorization-server" + path, origin + "/.well-known/openid-configuration" + path}
	if path != "" {
		urls = append(urls, origin+path+"/.well-known/openid-configuration")
	}
	return urls
}

// discover returns the URL of an issuer's keys. The metadata, at the URL if there
// is one, must name the very same issuer (RFC 8414, section 3.3), or any would do.
// The URL of the keys is used as the metadata says it.
func (f *fetcher) discover(ctx context.Context, issuer, at string) (string, error) {
	places := []string{at}
	if at == "" {
		u, err := CheckURL(issuer)
		if err != nil {
			return "", err
		}
		places = wellKnown(u)
	}
	keys, err := f.firstMetadata(ctx, places, issuer)
	return keys, ExplainDiscoveryURL(at, err)
}

// ExplainDiscoveryURL adds to an error what the URL of metadata looks like, unless
// the configured one looks so.
func ExplainDiscoveryURL(at string, err error) error {
	if err == nil || at == "" || strings.Contains(at, "/.well-known/") {
		return err
	}
	return fmt.Errorf("%w (discovery_url is the whole URL of the metadata, which mostly ends in /.well-known/openid-configuration)", err)
}

// firstMetadata returns the URL of the keys in the first metadata that is found.
func (f *fetcher) firstMetadata(ctx context.Context, places []string, issuer string) (string, error) {
	var problems []error
	for _, from := range places {
		body, _, err := f.get(ctx, from)
		var status errStatus
		switch {
		case errors.As(err, &status) && status.status < http.StatusInternalServerError:
			problems = append(problems, err)
			continue // nothing here: the next place
		case err != nil:
			return "", err
		}
		keys, err := metadataKeys(body, issuer)
		if err != nil {
			return "", fmt.Errorf("%s: %w", from, err)
		}
		return keys, nil
	}
	return "", fmt.Errorf("no metadata of the issuer: %w", errors.Join(problems...))
}

// metadataKeys returns the URL of the keys in a metadata document.
func metadataKeys(document []byte, issuer string) (string, error) {
	var metadata struct {
		Issuer  *string `json:"issuer"`
		JWKSURI *string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(document, &metadata); err != nil {
		return "", errors.New("the metadata is not a JSON object of the expected form")
	}
	if metadata.Issuer == nil || *metadata.Issuer != issuer {
		received := "none"
		if metadata.Issuer != nil {
			received = printable(*metadata.Issuer)
		}
		return "", fmt.Errorf("the metadata names another issuer: %s", received)
	}
	if metadata.JWKSURI == nil {
		return "", errors.New("the metadata names no jwks_uri")
	}
	if _, err := CheckURL(*metadata.JWKSURI); err != nil {
		return "", fmt.Errorf("the metadata's jwks_uri: %w", err)
	}
	return *metadata.JWKSURI, nil
}
