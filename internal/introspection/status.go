package introspection

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// reporter tells the operator about errors of the endpoint, a few times a minute at most.
type reporter struct {
	limit *rate.Limiter
	pass  func(error)

	mu      sync.Mutex
	problem string // the latest error, or "" if the endpoint has answered since
}

// How many errors are reported at once, and how often after that.
const (
	maxReports  = 5
	reportEvery = 10 * time.Second
)

func newReporter(pass func(error)) *reporter {
	if pass == nil {
		pass = func(error) {}
	}
	return &reporter{limit: rate.NewLimiter(rate.Every(reportEvery), maxReports), pass: pass}
}

func (r *reporter) report(err error, now time.Time) {
	r.set(err.Error())
	if r.limit.AllowN(now, 1) {
		r.pass(err)
	}
}

// set sets the latest error, "" if the endpoint has answered.
func (r *reporter) set(problem string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problem = problem
}

// Status returns the state of the endpoint for the admin API. It has no keys.
func (c *Client) Status() token.Status {
	c.reports.mu.Lock()
	defer c.reports.mu.Unlock()
	return token.Status{Issuer: c.config.Claims.Issuer, URL: c.config.URL, Keys: []token.KeyStatus{}, Error: c.reports.problem}
}
