// Package oidc is a relying party of OpenID Connect: one Provider signs people
// in by the authorization code flow (OpenID Connect Core, section 3.1) with PKCE
// (RFC 7636), keeps what it knows of them fresh, and signs them out.
//
// It knows no sessions, cookies or pages. Who calls it keeps a AuthRequest between
// Authorize and Exchange where the browser cannot read or change it, and sees to
// it that the browser which comes back is the one that was sent.
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

// Config says who signs people in and as which client we ask.
type Config struct {
	// Issuer is the provider's URL, to the letter: https, or http on this machine.
	Issuer string
	// DiscoveryURL is where the metadata is, if it is not fetched from the Issuer. It
	// still has to name the Issuer.
	DiscoveryURL string
	// Roots replace the system's root certificates for what is asked of the provider;
	// nil: the system's.
	Roots *token.RootCAs
	// ClientID is who we are for the provider.
	ClientID string
	// ClientSecret proves it; "" for a public client, which PKCE alone protects.
	ClientSecret string
	// AuthMethod is how the client proves who it is, of AuthMethods. "": by ClientSecret
	// as the provider takes it, the header first; without one as a public client.
	AuthMethod string
	// ClientKey proves it with AuthPrivateKeyJWT.
	ClientKey *ClientKey
	// Parameters are sent with each authorization request beside those of the protocol,
	// none of which they may set.
	Parameters map[string][]string
	// ExtraAudiences are more audiences that ID tokens may have beside ClientID.
	ExtraAudiences []string
	// Scopes are what to ask for. Nil: openid profile email. openid is added.
	Scopes []string
	// Prompt is what the provider is to ask the user, of none, login, consent and
	// select_account; none stands alone. Empty: as the provider sees fit.
	Prompt []string
	// Map says where identity fields come from, as in token.Config.
	Map map[string][]string
	// SkippedClaims is told which claims were left out for their form, as in token.Config.
	SkippedClaims func(claims []string)
	// NoUserinfo leaves the userinfo endpoint alone.
	NoUserinfo bool
	// Keys are the issuer's.
	Keys token.KeySource
	// Client asks the provider; nil is one of token.NewClient that may reach the
	// hosts of Issuer and DiscoveryURL in a private network and trusts Roots.
	Client *http.Client
	// Report is told of what an operator should know; nil tells nobody. It may be
	// called from any goroutine.
	Report func(error)
	// Now is the clock; nil for time.Now.
	Now func() time.Time
}

// defaultScopes are asked for where none are configured.
var defaultScopes = []string{"openid", "profile", "email"}

// prompts are the values of prompt (OpenID Connect Core, section 3.1.2.1).
var prompts = []string{"none", "login", "consent", "select_account"}

// Provider is an issuer, asked as one client. It learns what it must know of
// the issuer when somebody first signs in, never before: the issuer may live
// behind this very server. It is safe for concurrent use. Call New.
type Provider struct {
	config  Config
	ctx     context.Context
	cancel  context.CancelFunc
	current atomic.Pointer[metadata]
	// incomplete says that the userinfo endpoint did not answer the last time.
	incomplete atomic.Bool

	mu                 sync.Mutex
	inflight           chan struct{} // closed when the discovery under way ends; nil without one
	nextDiscovery      time.Time     // when the next discovery may begin
	failures           int           // in a row
	failure            error         // why the last discovery failed, or nil
	refreshPausedUntil time.Time     // until when no token is refreshed, since the provider is out of reach
}

// New returns a provider for a configuration. It does not use the network. Its
// errors name the bad word and the allowed words, and never the secret.
func New(config Config) (*Provider, error) {
	named, err := config.configuredHosts()
	if err != nil {
		return nil, err
	}
	if config.ClientID == "" {
		return nil, errors.New("client_id: missing: it is what the provider calls this site")
	}
	for _, err := range []error{checkPrompt(config.Prompt), config.checkAuth(), CheckParameters(config.Parameters)} {
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
	if _, err := p.verifier(nil); err != nil { // a bad map is found now
		return nil, err
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
}

// configuredHosts returns those that the configuration names.
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

// scopes returns the scopes to ask for, always with openid.
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

// checkPrompt reports what is no value of prompt.
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

// Reload does nothing: what is known of an issuer is asked for as it is needed.
func (p *Provider) Reload() error { return nil }

// Close ends what is under way and waits for it. It may be called more than once.
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
