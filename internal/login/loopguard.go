package login

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/session"
)

const (
	// maxRecentSignIns is how many sign-ins a browser may complete within circleTime
	// before it is no longer sent to sign in: it is being sent in circles.
	maxRecentSignIns = 3
	loopWindow       = time.Minute
)

// signInsCookie holds when the browser's last sign-ins were completed, in
// milliseconds since 1970. Who writes it himself keeps himself out.
var signInsCookie = session.Cookie{Name: "__Host-policy_auth_completed"}.WithDefaults()

// errSignInLoop says why the browser is not sent on.
var errSignInLoop = errors.New("three sign-ins were completed within a minute and led to another one: does the browser keep the session's cookie, are the clocks right, and does the policy ask for more than the provider gives?")

// isSignInLoop reports whether the browser signs in again and again (R-OID-15).
func (v *Request) isSignInLoop() bool { return len(v.recentSignIns()) >= maxRecentSignIns }

// recentSignIns returns when the browser completed sign-ins lately, as text.
func (v *Request) recentSignIns() []string {
	value, _ := signInsCookie.Read(v.R, v.HTTPS)
	var kept []string
	now := v.Sessions.Now().UnixMilli()
	for text := range strings.SplitSeq(value, ".") {
		at, err := strconv.ParseInt(text, 10, 64)
		if err == nil && at <= now && now-at < loopWindow.Milliseconds() && len(kept) < maxRecentSignIns {
			kept = append(kept, text)
		}
	}
	return kept
}

// recordSignIn notes a sign-in that began at some time. One that began before the last
// was completed is of another tab, and goes in no circle.
func (v *Request) recordSignIn(began int64) {
	recent := v.recentSignIns()
	if n := len(recent); n > 0 {
		if last, err := strconv.ParseInt(recent[n-1], 10, 64); err == nil && began < last {
			return
		}
	}
	now := strconv.FormatInt(v.Sessions.Now().UnixMilli(), 10)
	signInsCookie.Set(v.W, strings.Join(append(recent, now), "."), v.HTTPS)
}

// resetLoopGuard forgets the sign-ins of who signs out.
func (v *Request) resetLoopGuard() {
	if _, ok := signInsCookie.Read(v.R, v.HTTPS); ok {
		signInsCookie.Clear(v.W, v.HTTPS)
	}
}
