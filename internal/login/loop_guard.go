package login

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/session"
)

const (
	// maxRecentSignIns is how many sign-ins a browser may complete within
	// loopWindow. After that it is not redirected to the provider, because it is in
	// a redirect loop.
	maxRecentSignIns = 3
	loopWindow       = time.Minute
)

// signInsCookie holds the times of the browser's last completed sign-ins, in
// milliseconds since 1970. It needs no signature: with a forged value a client can
// lock out only itself.
var signInsCookie = session.Cookie{Name: "__Host-policy_auth_completed"}.WithDefaults()

// errSignInLoop explains a redirect loop to the operator.
var errSignInLoop = errors.New("the browser completed three sign-ins within a minute and was sent to sign in again: check that it keeps the session's cookie, that the clocks are right, and that the provider fulfils the step-ups of the policy")

// isSignInLoop reports whether the browser is in a redirect loop (R-OID-15).
func (v *Request) isSignInLoop() bool { return len(v.recentSignIns()) >= maxRecentSignIns }

// recentSignIns returns the times of the sign-ins within loopWindow, as they are in
// the cookie.
func (v *Request) recentSignIns() []string {
	value, _ := signInsCookie.Read(v.R, v.HTTPS)
	var kept []string
	now := v.Sessions.Now().UnixMilli()
	for text := range strings.SplitSeq(value, ".") {
		at, _ := strconv.ParseInt(text, 10, 64) // 0 or a limit of int64 if it is not a time
		if now-loopWindow.Milliseconds() < at && at <= now && len(kept) < maxRecentSignIns {
			kept = append(kept, text)
		}
	}
	return kept
}

// recordSignIn adds a completed sign-in that began at a time in milliseconds since
// 1970. A sign-in that began before the last one was completed comes from another
// tab and is not part of a loop.
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

// resetLoopGuard forgets the completed sign-ins after a sign-out.
func (v *Request) resetLoopGuard() {
	if _, ok := signInsCookie.Read(v.R, v.HTTPS); ok {
		signInsCookie.Clear(v.W, v.HTTPS)
	}
}
