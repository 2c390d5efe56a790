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
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/token"
)

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

// Issuer returns the provider's URL.
func (p *Provider) Issuer() string { return p.config.Issuer }

// RequestsOfflineAccess reports whether sign-ins ask for a refresh token that outlives the
// user's session at the provider: by the scope offline_access (OpenID Connect Core, section
// 11), or as Google wants it.
func (p *Provider) RequestsOfflineAccess() bool {
	return slices.Contains(p.config.Scopes, "offline_access") || slices.Contains(p.config.Parameters["access_type"], "offline")
}

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
