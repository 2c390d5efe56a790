// Package introspection asks an authorization server whether opaque tokens are active
// (RFC 7662). A Client remembers the results for a short time, asks once for a token
// that many requests have at the same time, and bounds how often the server is asked:
// unknown tokens take turns by the network of their client, and a server that fails is
// left alone for a while.
package introspection

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/policyauth/caddy-policy-auth/internal/fairqueue"
	"github.com/policyauth/caddy-policy-auth/internal/oidc"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

const (
	// MaxToken is the size of the longest token that is sent, in bytes.
	MaxToken = 16 << 10
	// maxRequests is how many requests are sent at once.
	maxRequests = 16
	// maxWaiting is how many tokens may wait for their turn. If one more arrives, the
	// network with the most waiting tokens loses its latest one.
	maxWaiting = 1024
	// maxWait is how long a token waits for its turn.
	maxWait = 5 * time.Second
)

// Config configures a Client.
type Config struct {
	// URL is the introspection endpoint: https, or http on a loopback host.
	URL string
	// Auth authenticates this server to the endpoint. It needs a secret or a key.
	Auth oidc.ClientAuth
	// Roots replace the system's root certificates; nil: the system's.
	Roots *token.RootCAs
	// Claims says how responses are checked and mapped to an identity, as
	// token.NewIntrospection takes it. Its clock is that of the client, too.
	Claims token.Config
	// Cache is how long an active token is accepted without asking again, at most until
	// its exp. 0 caches nothing.
	Cache time.Duration
	// Report is called with errors for the operator, a few times a minute at most. It
	// may be nil, and may be called from any goroutine.
	Report func(error)
	// Client sends the requests; nil means a token.NewClient that may connect to the
	// host of URL in a private network and trusts Roots.
	Client *http.Client
}

// Client asks an introspection endpoint about tokens. It is safe for concurrent use.
// Call New.
type Client struct {
	config  Config
	now     func() time.Time
	claims  *token.Introspection
	cache   *cache
	queue   *fairqueue.Queue
	flights singleflight.Group
	breaker breaker
	limits  *inactiveLimiter
	reports *reporter

	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex // guards closed, so that no flight begins after Close
	closed  bool
	running sync.WaitGroup // flights
}

// New returns a client. It does not use the network. Its errors name the option, the
// invalid value and the allowed values, and contain no secret.
func New(config Config) (*Client, error) {
	endpoint, err := token.CheckURL(config.URL)
	if err != nil {
		return nil, err
	}
	if err := checkAuth(config.Auth); err != nil {
		return nil, err
	}
	claims, err := token.NewIntrospection(config.Claims, config.URL)
	if err != nil {
		return nil, err
	}
	c := &Client{config: config, now: config.Claims.Now, claims: claims}
	if c.now == nil {
		c.now = time.Now
	}
	if c.config.Client == nil {
		c.config.Client = token.NewClient(token.ClientConfig{ConfiguredHosts: []string{endpoint.Host}, Roots: config.Roots, IdleConnections: maxRequests})
	}
	c.cache = newCache(config.Cache)
	c.queue = fairqueue.New(maxRequests, maxWaiting, maxWait)
	c.limits = newInactiveLimiter()
	c.reports = newReporter(config.Report)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// checkAuth returns an error unless the client can prove who it is, which the endpoint
// requires (RFC 7662, section 2.1).
func checkAuth(auth oidc.ClientAuth) error {
	if err := auth.Check(); err != nil {
		return err
	}
	if auth.Secret == "" && auth.Key == nil {
		return errors.New("client_secret: missing: an introspection endpoint answers no client without one; or write client_auth_method private_key_jwt and client_key")
	}
	if auth.Key != nil && auth.Audience == "" {
		return errors.New("client_auth_method private_key_jwt: issuer is missing: add it, since it is the audience of the client assertions")
	}
	return nil
}

// Unavailable is the error of a token of which it is not known whether it is active.
type Unavailable struct {
	// Busy says that too many tokens wait; else the endpoint did not answer as it should.
	Busy bool
	// RetryAfter is how long to wait.
	RetryAfter time.Duration
	// Err is for the log. It contains no token and no secret.
	Err error
}

// Error implements error.
func (u *Unavailable) Error() string { return u.Err.Error() }

// Unwrap returns Err.
func (u *Unavailable) Unwrap() error { return u.Err }

// ErrThrottled is the error of a token that was not asked about, because too many tokens
// from the network of its client were not active.
var ErrThrottled = errors.New("too many tokens from the network of this client were not active")

// Cached returns a token that is known to be active. Known is false for others. It
// allocates no memory.
func (c *Client) Cached(raw string) (t token.Token, known bool) {
	return c.cache.active(sha256.Sum256(bytesOf(raw)), c.now())
}

// Introspect returns a token from a client with an address. It asks the endpoint unless
// the result is known. A binding of the token is the caller's to check. The error is a
// *token.Error if the token is not accepted, *Unavailable, ErrThrottled, or that of the
// context.
func (c *Client) Introspect(ctx context.Context, raw string, client netip.Addr) (token.Token, error) {
	key := sha256.Sum256(bytesOf(raw))
	if t, known := c.cache.active(key, c.now()); known {
		return t, nil
	}
	if err := c.cache.denied(key, c.now()); err != nil {
		return token.Token{}, err
	}
	result := c.flights.DoChan(string(key[:]), func() (any, error) { return c.askOnce(raw, key, client) })
	select {
	case answer := <-result:
		t, _ := answer.Val.(token.Token)
		return t, answer.Err
	case <-ctx.Done():
		return token.Token{}, ctx.Err()
	}
}

// Reload does nothing. It implements the interface of resources that can be reloaded.
func (c *Client) Reload() error { return nil }

// Close cancels running requests and waits for their ends. It may be called more than
// once.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.running.Wait()
	c.config.Client.CloseIdleConnections()
	return nil
}
