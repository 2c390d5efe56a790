package oidc

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// defaultScopes are requested if none are configured.
var defaultScopes = []string{"openid", "profile", "email"}

// prompts are the values of prompt (OpenID Connect Core, section 3.1.2.1).
var prompts = []string{"none", "login", "consent", "select_account"}

// Config configures a Provider.
type Config struct {
	// Issuer is the provider's URL, which is compared exactly: https, or http on a
	// loopback host.
	Issuer string
	// DiscoveryURL is the URL of the metadata if it is not below Issuer. The
	// metadata must contain the Issuer.
	DiscoveryURL string
	// Roots replace the system's root certificates for what is asked of the provider;
	// nil: the system's.
	Roots *token.RootCAs
	// ClientID is the site's client ID.
	ClientID string
	// ClientSecret is the client's secret, or "" for a public client, which uses
	// only PKCE.
	ClientSecret string
	// AuthMethod is one of AuthMethods. "" means client_secret_basic or
	// client_secret_post, as the provider supports, or none without a ClientSecret.
	AuthMethod string
	// ClientKey is the key for AuthPrivateKeyJWT.
	ClientKey *ClientKey
	// Parameters are extra parameters of authorization requests. They must not be
	// parameters of the protocol.
	Parameters map[string][]string
	// ExtraAudiences are further audiences that ID tokens may have beside ClientID.
	ExtraAudiences []string
	// Scopes are the requested scopes. Nil means openid profile email. openid is
	// always added.
	Scopes []string
	// Prompt is the parameter prompt: values of none, login, consent and
	// select_account, where none must be the only one. Empty omits it.
	Prompt []string
	// Map maps claims to identity fields, as in token.Config.
	Map map[string][]string
	// SkippedClaims is called with claims of the wrong type, as in token.Config.
	SkippedClaims func(claims []string)
	// NoUserinfo disables requests to the userinfo endpoint.
	NoUserinfo bool
	// Keys provides the issuer's keys.
	Keys token.KeySource
	// Client sends the requests to the provider. Nil means a token.NewClient that
	// may connect to the hosts of Issuer and DiscoveryURL in a private network and
	// trusts Roots.
	Client *http.Client
	// Report is called with errors for the operator. It may be nil, and may be
	// called from any goroutine.
	Report func(error)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// configuredHosts returns the hosts of the configured URLs.
func (c Config) configuredHosts() ([]string, error) {
	issuer, err := token.CheckURL(c.Issuer)
	if err != nil {
		return nil, err
	}
	if c.DiscoveryURL == "" {
		return []string{issuer.Host}, nil
	}
	at, err := token.CheckURL(c.DiscoveryURL)
	if err != nil {
		return nil, fmt.Errorf("discovery_url: %w", err)
	}
	return []string{issuer.Host, at.Host}, nil
}

// scopes returns the requested scopes, which always include openid.
func scopes(configured []string) ([]string, error) {
	if len(configured) == 0 {
		return defaultScopes, nil
	}
	for _, scope := range configured {
		if scope == "" || strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r == '"' || r == '\\' || r >= 0x7f }) {
			return nil, fmt.Errorf("scopes: %q is not a scope (RFC 6749, section 3.3)", scope)
		}
	}
	if !slices.Contains(configured, "openid") {
		return append([]string{"openid"}, configured...), nil
	}
	return configured, nil
}

// checkPrompt returns an error for invalid values of prompt.
func checkPrompt(configured []string) error {
	for _, prompt := range configured {
		if !slices.Contains(prompts, prompt) {
			return fmt.Errorf("prompt: unknown value: %s; allowed: %s", prompt, strings.Join(prompts, " "))
		}
	}
	if slices.Contains(configured, "none") && len(configured) > 1 {
		return errors.New("prompt: none stands alone")
	}
	return nil
}
