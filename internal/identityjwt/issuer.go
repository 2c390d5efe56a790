// Package identityjwt issues signed JWTs that tell the upstream who is calling, and
// publishes the keys that verify them. The keys are in Caddy's storage, so that several
// machines share them, and are rotated.
package identityjwt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/net/http/httpguts"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/netutil"
)

const (
	// DefaultHeader is the header if none is configured.
	DefaultHeader = "X-Identity-JWT"
	// DefaultLifetime is the lifetime of a JWT if none is configured.
	DefaultLifetime = time.Minute
	// minLifetime and maxLifetime limit the lifetime of a JWT. How long old keys are
	// published depends on the latter.
	minLifetime = 10 * time.Second
	maxLifetime = time.Hour
	// maxIssued is how many JWTs are kept to be sent again.
	maxIssued = 10_000
)

// Config configures an Issuer.
type Config struct {
	// Issuer is the claim iss: the origin of the site.
	Issuer string
	// Audience is the claim aud.
	Audience string
	// Lifetime is how long a JWT is valid: 10 seconds to 1 hour. Zero means
	// DefaultLifetime.
	Lifetime time.Duration
	// Storage has the keys.
	Storage Storage
	// Report is called with problems of the keys that do not deny requests. It may
	// be nil.
	Report func(error)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Issuer issues the JWTs of a site. It is safe for concurrent use. Call New. A nil
// Issuer publishes no keys.
type Issuer struct {
	config Config
	keys   *keyRing
	issued *otter.Cache[*authenticator.Identity, issued]
}

// issued is a JWT that is sent until a time, in seconds since 1970.
type issued struct {
	token string
	until int64
}

// New returns an Issuer. It neither reads nor writes the storage.
func New(config Config) (*Issuer, error) {
	if config.Lifetime == 0 {
		config.Lifetime = DefaultLifetime
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Report == nil {
		config.Report = func(error) {}
	}
	if err := Check(config.Issuer, config.Audience, config.Lifetime); err != nil {
		return nil, err
	}
	cache := otter.Must(&otter.Options[*authenticator.Identity, issued]{
		MaximumSize: maxIssued, ExpiryCalculator: otter.ExpiryWriting[*authenticator.Identity, issued](config.Lifetime / 2),
	})
	return &Issuer{config, &keyRing{storage: config.Storage, report: config.Report, now: config.Now}, cache}, nil
}

// Check returns an error for values that JWTs cannot have. An empty issuer and a
// lifetime of zero are not checked.
func Check(issuer, audience string, lifetime time.Duration) error {
	switch {
	case audience == "":
		return errors.New("audience is missing: name the upstream, such as audience https://wiki.internal; no other site may have the same one")
	case strings.ContainsFunc(audience, func(c rune) bool { return c <= ' ' || c == 0x7f }):
		return fmt.Errorf("audience %q has a space or a control character", audience)
	case lifetime != 0 && (lifetime < minLifetime || lifetime > maxLifetime):
		return fmt.Errorf("lifetime is %s; it must be between 10s and 1h", lifetime)
	case issuer == "":
		return nil
	}
	return checkOrigin(issuer)
}

// checkOrigin returns an error for an issuer that is not an origin as browsers write
// it.
func checkOrigin(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || issuer != u.Scheme+"://"+strings.ToLower(u.Host) || u.User != nil {
		return fmt.Errorf("issuer %q is not an origin: write the scheme, the host in lower case and the port only if it is not the default one, without a path, such as https://wiki.example.com", issuer)
	}
	switch port := u.Port(); {
	case u.Scheme != "https" && (u.Scheme != "http" || !netutil.IsLoopback(u.Hostname())):
		return fmt.Errorf("issuer %s is not an https URL", issuer)
	case strings.HasSuffix(u.Host, ":"), u.Scheme == "https" && port == "443", u.Scheme == "http" && port == "80":
		return fmt.Errorf("issuer %s has the default port; leave it out", issuer)
	}
	return nil
}

// CheckHeader returns an error if JWTs cannot be sent in a header of that name.
func CheckHeader(name string) error {
	switch http.CanonicalHeaderKey(name) {
	case "Authorization", "Proxy-Authorization", "Cookie":
		return fmt.Errorf("header %s has the client's own credentials; choose another, such as %s", name, DefaultHeader)
	}
	if !httpguts.ValidHeaderFieldName(name) {
		return fmt.Errorf("header: %q is not a header's name", name)
	}
	return nil
}

// Token returns the JWT of a caller, or "" if the caller is not authenticated, such as
// an anonymous caller or a guest. It returns a JWT again for half its lifetime. An
// error means that there is no key.
func (i *Issuer) Token(ctx context.Context, id *authenticator.Identity) (string, error) {
	if !id.Authenticated {
		return "", nil
	}
	now := i.config.Now()
	if held, ok := i.issued.GetIfPresent(id); ok && now.Unix() < held.until {
		return held.token, nil
	}
	keys, err := i.keys.current(ctx)
	if err != nil {
		return "", fmt.Errorf("identity_jwt: %w", err)
	}
	payload, err := json.Marshal(i.claims(id, now))
	if err != nil {
		return "", fmt.Errorf("identity_jwt: %w", err)
	}
	token, err := keys.signer(now).sign(payload)
	if err != nil {
		return "", fmt.Errorf("identity_jwt: %w", err)
	}
	i.issued.Set(id, issued{token, now.Add(i.config.Lifetime / 2).Unix()})
	return token, nil
}
