package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/token"
)

const (
	// metadataLifetime is how long metadata is used before it is fetched again. If
	// that fails, the old metadata stays in use.
	metadataLifetime = time.Hour
	// firstRetry and lastRetry limit the pause after a failed discovery, which
	// doubles each time.
	firstRetry = time.Second
	lastRetry  = time.Minute
	// discoveryTimeout limits one discovery.
	discoveryTimeout = 10 * time.Second
	// maxIDTokenAge is the maximum age of an ID token, which comes directly from the
	// provider.
	maxIDTokenAge = 10 * time.Minute
)

// metadata is the used part of an issuer's metadata (OpenID Connect Discovery,
// section 3). It is immutable.
type metadata struct {
	authorization    string
	token            string
	userinfo         string // "" if there is none
	userinfoUnusable bool   // the metadata has a userinfo endpoint that must not be used
	endSession       string // "" if there is none
	auth             string // the client authentication method
	algorithm        string // of client assertions
	parEndpoint      string // "" if requests are not pushed
	requirePAR       bool   // RFC 9126, section 5
	sendsIss         bool   // RFC 9207, section 3
	verifier         *token.Verifier
	expires          time.Time // when it is fetched again
}

// metadata returns the issuer's metadata. If there is none, it waits for a
// discovery. An error is a *Failure with the time of the next try.
func (p *Provider) metadata(ctx context.Context) (*metadata, error) {
	known := p.current.Load()
	if known != nil && p.config.Now().Before(known.expires) {
		return known, nil
	}
	done := p.startDiscovery()
	if known != nil {
		return known, nil
	}
	if done != nil {
		select {
		case <-done:
		case <-ctx.Done():
		case <-p.ctx.Done():
		}
	}
	if known = p.current.Load(); known != nil {
		return known, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return nil, unavailable(p.nextDiscovery.Sub(p.config.Now()), fmt.Errorf("the provider is out of reach: %w", orUnanswered(p.failure)))
}

func orUnanswered(err error) error {
	if err == nil {
		return errors.New("it has not answered yet")
	}
	return err
}

// startDiscovery starts a discovery, unless one is running or one failed recently.
// It returns a channel that is closed at the end of the running one, or nil.
func (p *Provider) startDiscovery() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inflight == nil && !p.config.Now().Before(p.nextDiscovery) && p.ctx.Err() == nil {
		p.inflight = make(chan struct{})
		go p.runDiscovery(p.inflight)
	}
	return p.inflight
}

// runDiscovery makes one discovery. At most one runs at a time.
func (p *Provider) runDiscovery(done chan struct{}) {
	ctx, cancel := context.WithTimeout(p.ctx, discoveryTimeout)
	defer cancel()
	found, err := p.loadMetadata(ctx)
	if err == nil {
		if old := p.current.Swap(found); old != nil && old.digest() != found.digest() {
			p.config.Report(fmt.Errorf("%s has other endpoints now, token_endpoint %s: sign-ins under way begin anew", p.config.Issuer, printable(found.token)))
		}
	} else if p.ctx.Err() == nil {
		p.config.Report(fmt.Errorf("discovering %s: %w", p.config.Issuer, err))
	}
	p.mu.Lock()
	p.failure, p.inflight = err, nil
	if err == nil {
		p.failures, p.nextDiscovery = 0, p.config.Now()
	} else {
		p.nextDiscovery = p.config.Now().Add(min(firstRetry<<min(p.failures, 10), lastRetry))
		p.failures++
	}
	p.mu.Unlock()
	close(done)
}

// loadMetadata fetches and checks the metadata, which must contain the same issuer
// (R-JWK-5).
func (p *Provider) loadMetadata(ctx context.Context) (*metadata, error) {
	doc, err := p.fetchDocument(ctx)
	if err != nil {
		return nil, token.ExplainDiscoveryURL(p.config.DiscoveryURL, err)
	}
	m := &metadata{
		authorization: doc.Authorization, token: doc.Token, userinfo: doc.Userinfo, endSession: doc.EndSessionEndpoint,
		auth: p.authMethod(doc.AuthMethods), requirePAR: doc.RequirePAR, sendsIss: doc.SendsIss, expires: p.config.Now().Add(metadataLifetime),
	}
	if m.requirePAR {
		m.parEndpoint = doc.PAREndpoint
	}
	for _, err := range append(doc.Ignored, m.dropUnusable()...) {
		p.config.Report(err)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	if len(doc.ChallengeMethods) > 0 && !slices.Contains(doc.ChallengeMethods, "S256") {
		p.config.Report(fmt.Errorf("%s says that it does not know PKCE with S256; it is sent all the same", p.config.Issuer))
	}
	p.checkAuthSupport(m, doc)
	m.verifier, err = p.verifier(doc.Algorithms)
	return m, err
}

// fetchDocument fetches the issuer's metadata document.
func (p *Provider) fetchDocument(ctx context.Context) (*document, error) {
	from := p.config.DiscoveryURL
	if from == "" {
		from = strings.TrimSuffix(p.config.Issuer, "/") + "/.well-known/openid-configuration"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, redactError(err)
	}
	r.Header.Set("Accept", "application/json")
	answer, err := p.config.Client.Do(r)
	if err != nil {
		return nil, redactError(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, redactError(err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: the answer's status is %d", printable(withoutQuery(from)), answer.StatusCode)
	}
	doc, err := readDocument(body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", printable(withoutQuery(from)), err)
	}
	if doc.Issuer != p.config.Issuer {
		return nil, fmt.Errorf("the metadata names another issuer: %s%s", printable(doc.Issuer), token.ExplainIssuer(p.config.Issuer, doc.Issuer))
	}
	return doc, nil
}

// digest identifies the endpoints that get users, codes and tokens, and whether
// responses must contain iss.
func (m *metadata) digest() string {
	digest := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %v", m.authorization, m.token, m.userinfo, m.parEndpoint, m.sendsIss))
	return base64.RawURLEncoding.EncodeToString(digest[:16])
}

// check returns an error if a required endpoint is missing or must not be used.
func (m *metadata) check() error {
	for _, endpoint := range []struct {
		name, url string
		required  bool
	}{
		{memberAuthorization, m.authorization, true},
		{memberToken, m.token, true},
		{memberPushed, m.parEndpoint, m.requirePAR},
	} {
		if !endpoint.required {
			continue
		}
		if _, err := token.CheckURL(endpoint.url); err != nil {
			return fmt.Errorf("the metadata's %s: %w", endpoint.name, err)
		}
	}
	return nil
}

// dropUnusable removes optional endpoints that must not be used, and returns why.
func (m *metadata) dropUnusable() (said []error) {
	for _, endpoint := range []struct {
		name string
		url  *string
	}{{memberUserinfo, &m.userinfo}, {memberEndSession, &m.endSession}} {
		if *endpoint.url == "" {
			continue
		}
		if _, err := token.CheckURL(*endpoint.url); err != nil {
			said = append(said, fmt.Errorf("the metadata's %s is not used: %w", endpoint.name, err))
			m.userinfoUnusable = m.userinfoUnusable || endpoint.name == memberUserinfo
			*endpoint.url = ""
		}
	}
	return said
}

// verifier returns the verifier of the issuer's tokens. It accepts the algorithms
// in the metadata that our keys support, or RS256 if the metadata has none.
func (p *Provider) verifier(said []string) (*token.Verifier, error) {
	var algorithms []string
	for _, name := range p.config.Keys.Algorithms() {
		if slices.ContainsFunc(said, func(s string) bool { return token.Canonical(s) == name }) {
			algorithms = append(algorithms, name)
		}
	}
	if len(said) == 0 {
		algorithms = []string{"RS256"}
	}
	if len(algorithms) == 0 {
		return nil, fmt.Errorf("the provider signs with none of the algorithms that are accepted: it signs with %s, allowed: %s", printable(strings.Join(said, " ")), strings.Join(p.config.Keys.Algorithms(), " "))
	}
	return token.New(token.Config{
		Issuer: p.config.Issuer, Audiences: []string{p.config.ClientID}, ExtraAudiences: p.config.ExtraAudiences, Algorithms: algorithms,
		MaxAge: maxIDTokenAge, Map: p.config.Map, SkippedClaims: p.config.SkippedClaims, Keys: p.config.Keys, Now: p.config.Now,
	})
}
