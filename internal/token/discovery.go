package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// wellKnown returns the URLs of an issuer's metadata in the order in which they are
// tried (RFC 8414, section 3; OpenID Connect Discovery, section 4). For an OpenID
// provider, the URL of OpenID Connect comes first.
func wellKnown(issuer *url.URL, openID bool) []string {
	origin := issuer.Scheme + "://" + issuer.Host
	path := strings.TrimSuffix(issuer.EscapedPath(), "/")
	urls := []string{origin + "/.well-known/oauth-authorization-server" + path, origin + "/.well-known/openid-configuration" + path}
	if path != "" {
		urls = append(urls, origin+path+"/.well-known/openid-configuration")
	}
	if openID {
		slices.Reverse(urls)
	}
	return urls
}

// discover returns the jwks_uri of an issuer. The metadata must contain the same
// issuer (RFC 8414, section 3.3), also if it comes from DiscoveryURL.
func (f *fetcher) discover(ctx context.Context, config RemoteKeySetConfig) (string, error) {
	places := []string{config.DiscoveryURL}
	if config.DiscoveryURL == "" {
		u, err := CheckURL(config.Issuer)
		if err != nil {
			return "", err
		}
		places = wellKnown(u, config.OpenID)
	}
	keys, err := f.firstMetadata(ctx, places, config.Issuer)
	return keys, ExplainDiscoveryURL(config.DiscoveryURL, err)
}

// ExplainDiscoveryURL adds a hint to an error if the configured URL does not look
// like that of metadata.
func ExplainDiscoveryURL(at string, err error) error {
	if err == nil || at == "" || strings.Contains(at, "/.well-known/") {
		return err
	}
	return fmt.Errorf("%w (discovery_url is the whole URL of the metadata, which mostly ends in /.well-known/openid-configuration)", err)
}

// firstMetadata returns the jwks_uri of the first valid metadata. After any other
// response it tries the next URL, because some applications answer every path and
// some metadata has no jwks_uri. It stops after a timeout.
func (f *fetcher) firstMetadata(ctx context.Context, places []string, issuer string) (string, error) {
	var problems []error
	for _, from := range places {
		keys, err := f.keysAt(ctx, from, issuer)
		if err == nil {
			return keys, nil
		}
		problems = append(problems, err)
		var network net.Error
		if errors.As(err, &network) && network.Timeout() || ctx.Err() != nil {
			break
		}
	}
	return "", fmt.Errorf("no metadata of the issuer: %w", errors.Join(problems...))
}

// keysAt returns the jwks_uri of the metadata at a URL.
func (f *fetcher) keysAt(ctx context.Context, from, issuer string) (string, error) {
	body, _, err := f.get(ctx, from)
	if err != nil {
		return "", err
	}
	keys, err := metadataKeys(body, issuer)
	if err != nil {
		return "", fmt.Errorf("%s: %w", from, err)
	}
	return keys, nil
}

// metadataKeys returns the jwks_uri of a metadata document.
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
		return "", fmt.Errorf("the metadata names another issuer: %s%s", received, ExplainIssuer(issuer, received))
	}
	if metadata.JWKSURI == nil {
		return "", errors.New("the metadata names no jwks_uri")
	}
	if _, err := CheckURL(*metadata.JWKSURI); err != nil {
		return "", fmt.Errorf("the metadata's jwks_uri: %w", err)
	}
	return *metadata.JWKSURI, nil
}
