package deny

import (
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/placement"
)

const (
	// minLost is the number of redirects, none of which arrives, that cause the warning.
	minLost = 3
	// minLostTime is the least time between the first redirect and the warning.
	minLostTime = time.Second
)

// LostRedirects detects that redirects to the site's sign-in page never reach it, because
// another handler answers there. The zero value is ready to use.
type LostRedirects struct {
	done  atomic.Bool // a browser arrived, or the warning is logged
	mu    sync.Mutex
	sent  int
	first time.Time
}

// Arrived records that a browser reached the sign-in page.
func (l *LostRedirects) Arrived() { l.done.Store(true) }

// Sent records a redirect to the sign-in page, and warns once if no browser arrives.
func (l *LostRedirects) Sent(now time.Time, logger *zap.Logger) {
	if l.done.Load() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sent++; l.sent == 1 {
		l.first = now
	}
	if l.sent < minLost || now.Sub(l.first) < minLostTime || !l.done.CompareAndSwap(false, true) {
		return
	}
	logger.Warn("browsers are redirected to the sign-in page and none arrives: another handler seems to answer its path; "+placement.Remedy,
		zap.String("path", login.LoginPath), zap.Int("sent", l.sent))
}
