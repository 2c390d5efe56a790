// Package oidc is an OpenID Connect relying party. A Provider signs users in with the
// authorization code flow (OpenID Connect Core, section 3.1) and PKCE (RFC 7636),
// refreshes their tokens, and signs them out.
//
// It has no sessions, cookies or pages. The caller stores an AuthRequest between
// Authorize and Exchange where the browser cannot read or change it, and checks that
// the callback comes from the browser that started the sign-in.
package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/token"
)

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

// defaultScopes are requested if none are configured.
var defaultScopes = []string{"openid", "profile", "email"}

// prompts are the values of prompt (OpenID Connect Core, section 3.1.2.1).
var prompts = []string{"none", "login", "consent", "select_account"}

// Provider is an OpenID provider as one client uses it. It fetches the metadata
// when a user first signs in and not when it is created, because the issuer may run
// behind the same server. It is safe for concurrent use. Call New.
type Provider struct {
	config  Config
	ctx     context.Context
	cancel  context.CancelFunc
	current atomic.Pointer[metadata]
	// incomplete says that the userinfo endpoint did not answer the last time.
	incomplete atomic.Bool

	mu                 sync.Mutex
	inflight           chan struct{} // closed at the end of the running discovery, or nil
	nextDiscovery      time.Time     // when the next discovery may begin
	failures           int           // in a row
	failure            error         // why the last discovery failed, or nil
	refreshPausedUntil time.Time     // no token is refreshed before, since the provider was unavailable
}

// New returns a provider for a configuration. It does not use the network. Its
// errors name the option, the invalid value and the allowed values, and contain no
// secret.
func New(config Config) (*Provider, error) {
	named, err := config.configuredHosts()
	if err != nil {
		return nil, err
	}
	for _, err := range []error{checkPrompt(config.Prompt), config.clientAuth().Check(), CheckParameters(config.Parameters)} {
		if err != nil {
			return nil, err
		}
	}
	if config.Scopes, err = scopes(config.Scopes); err != nil {
		return nil, err
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Report == nil {
		config.Report = func(error) {}
	}
	if config.Client == nil {
		config.Client = token.NewClient(token.ClientConfig{ConfiguredHosts: named, Roots: config.Roots})
	}
	config.Client = limitClient(config.Client)
	p := &Provider{config: config}
	if _, err := p.verifier(nil); err != nil { // report an invalid map early
		return nil, err
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
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

// Issuer returns the provider's URL.
func (p *Provider) Issuer() string { return p.config.Issuer }

// Now returns the time by the provider's clock.
func (p *Provider) Now() time.Time { return p.config.Now() }

// Reload does nothing. It implements the interface of resources that can be
// reloaded.
func (p *Provider) Reload() error { return nil }

// Close cancels a running discovery and waits for it. It may be called more than
// once.
func (p *Provider) Close() error {
	p.cancel()
	p.mu.Lock()
	inflight := p.inflight
	p.mu.Unlock()
	if inflight != nil {
		<-inflight
	}
	p.config.Client.CloseIdleConnections()
	return nil
}
