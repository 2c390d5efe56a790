package deny

import (
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/policyauth/caddy-policy-auth/internal/login"
)

const (
	// lostRedirects is how many redirects to the sign-in page, none of which
	// arrives, cause the warning.
	lostRedirects = 3
	// lostAfter is the least time between the first redirect and the warning.
	lostAfter = time.Second
)

// Arrivals detects that redirects to the site's sign-in page never reach it, since
// another handler answers there. The zero value is ready to use.
type Arrivals struct {
	done  atomic.Bool // a browser arrived, or the warning is logged
	mu    sync.Mutex
	sent  int
	first time.Time
}

// Arrived says that the sign-in page is reached.
func (a *Arrivals) Arrived() { a.done.Store(true) }

// Sent says that a browser is sent to the sign-in page, and warns once if none
// comes there.
func (a *Arrivals) Sent(now time.Time, logger *zap.Logger) {
	if a.done.Load() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sent++; a.sent == 1 {
		a.first = now
	}
	if a.sent < lostRedirects || now.Sub(a.first) < lostAfter || !a.done.CompareAndSwap(false, true) {
		return
	}
	logger.Warn("browsers are sent to sign in and none arrives there: another handler seems to answer for this path; "+Remedy,
		zap.String("path", login.LoginPath), zap.Int("sent", a.sent))
}

// Remedy says where policy_auth has to stand.
const Remedy = "put policy_auth where the site's requests for /.policy_auth/* reach it, outside of handle and route blocks for a part of the site, and give it a matcher instead: policy_auth /admin* { … }"
