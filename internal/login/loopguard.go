package login

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/session"
)

const (
	// maxCompleted is how many sign-ins a browser may complete within circleTime
	// before it is no longer sent to sign in: it is being sent in circles.
	maxCompleted = 3
	circleTime   = time.Minute
)

// completedCookie holds when the browser's last sign-ins were completed, in
// milliseconds since 1970. Who writes it himself keeps himself out.
var completedCookie = session.Cookie{Name: "__Host-policy_auth_completed"}.WithDefaults()

// errCircles says why the browser is not sent on.
var errCircles = errors.New("three sign-ins were completed within a minute and led to another one: does the browser keep the session's cookie, are the clocks right, and does the policy ask for more than the provider gives?")

// circles reports whether the browser signs in again and again (R-OID-15).
func (v *Request) circles() bool { return len(v.recent()) >= maxCompleted }

// recent returns when the browser completed sign-ins lately, as text.
func (v *Request) recent() []string {
	value, _ := completedCookie.Read(v.R, v.HTTPS)
	var kept []string
	now := v.Sessions.Now().UnixMilli()
	for text := range strings.SplitSeq(value, ".") {
		at, err := strconv.ParseInt(text, 10, 64)
		if err == nil && at <= now && now-at < circleTime.Milliseconds() && len(kept) < maxCompleted {
			kept = append(kept, text)
		}
	}
	return kept
}

// completed notes a sign-in that began at some time. One that began before the last
// was completed is of another tab, and goes in no circle.
func (v *Request) completed(began int64) {
	recent := v.recent()
	if n := len(recent); n > 0 {
		if last, err := strconv.ParseInt(recent[n-1], 10, 64); err == nil && began < last {
			return
		}
	}
	now := strconv.FormatInt(v.Sessions.Now().UnixMilli(), 10)
	completedCookie.Set(v.W, strings.Join(append(recent, now), "."), v.HTTPS)
}

// straight forgets the sign-ins of who signs out.
func (v *Request) straight() {
	if _, ok := completedCookie.Read(v.R, v.HTTPS); ok {
		completedCookie.Clear(v.W, v.HTTPS)
	}
}
