package introspection

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"github.com/policyauth/caddy-policy-auth/internal/fairqueue"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// retryAfter is how long a client waits after a failure that says nothing about when it
// ends.
const retryAfter = 2 * time.Second

// errClosed is the error of tokens that arrive while the configuration is replaced.
var errClosed = errors.New("the configuration was replaced")

// begin counts a flight, unless the client is closed.
func (c *Client) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.running.Add(1)
	return true
}

// askOnce asks about a token once for all requests that have it, and goes on if the request
// that began it is canceled. It runs outside of any request, where a panic would end the
// process, so it returns panics as errors.
func (c *Client) askOnce(raw string, key [sha256.Size]byte, client netip.Addr) (t token.Token, err error) {
	if !c.begin() {
		return token.Token{}, &Unavailable{RetryAfter: retryAfter, Err: errClosed}
	}
	defer c.running.Done()
	defer func() {
		if problem := recover(); problem != nil {
			t, err = token.Token{}, c.unavailable(fmt.Errorf("panic: %T", problem))
		}
	}()
	if t, known := c.cache.active(key, c.now()); known {
		return t, nil // an earlier flight has just ended
	}
	if err := c.queue.Acquire(c.ctx, client); err != nil {
		return token.Token{}, &Unavailable{Busy: true, RetryAfter: fairqueue.RetryAfter, Err: err}
	}
	defer c.queue.Release()
	if c.limits.exceeded(client, c.now()) {
		return token.Token{}, ErrThrottled
	}
	return c.ask(raw, key, client)
}

// ask sends a token to the endpoint, unless that has failed lately, and remembers the
// result.
func (c *Client) ask(raw string, key [sha256.Size]byte, client netip.Addr) (token.Token, error) {
	asked := c.now()
	wait, trial := c.breaker.enter(asked)
	if wait > 0 {
		return token.Token{}, &Unavailable{RetryAfter: wait, Err: errors.New("the introspection endpoint has failed several times and is not asked for a while")}
	}
	shown := unclear
	defer func() { c.breaker.leave(c.now(), shown, trial) }()

	body, err := c.send(c.ctx, raw)
	var failure *endpointFailure
	switch {
	case c.ctx.Err() != nil:
		return token.Token{}, &Unavailable{RetryAfter: retryAfter, Err: errClosed}
	case errors.As(err, &failure) && failure.ofToken:
		return token.Token{}, c.denyUnclear(err, key, client)
	case err != nil:
		shown = down
		return token.Token{}, c.unavailable(err)
	}
	t, err := c.claims.Token(body)
	if _, refused := errors.AsType[*token.Error](err); err != nil && !refused {
		return token.Token{}, c.denyUnclear(err, key, client)
	}
	shown = working
	c.reports.set("")
	if err != nil {
		c.limits.count(client, c.now())
		c.cache.deny(key, err, asked, deniedFor)
		return token.Token{}, err
	}
	c.cache.accept(key, t, len(body), asked)
	return t, nil
}

// denyUnclear remembers a token for which the endpoint has no usable answer, which says
// nothing about other tokens.
func (c *Client) denyUnclear(err error, key [sha256.Size]byte, client netip.Addr) error {
	failure := c.unavailable(err)
	c.limits.count(client, c.now())
	c.cache.deny(key, failure, c.now(), unclearFor)
	return failure
}

// unavailable reports an error to the operator and returns it for the request.
func (c *Client) unavailable(err error) *Unavailable {
	c.reports.report(err, c.now())
	return &Unavailable{RetryAfter: retryAfter, Err: err}
}

// bytesOf returns the bytes of a string without copying them. They must not be changed.
func bytesOf(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) } //nolint:gosec // read only

// send asks the endpoint about a token and returns the body of its answer.
func (c *Client) send(ctx context.Context, raw string) ([]byte, error) {
	r, err := c.request(raw)
	if err != nil {
		return nil, err
	}
	return c.exchange(r.WithContext(ctx))
}
