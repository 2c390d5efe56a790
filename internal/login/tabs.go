package login

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/netutil"
	"github.com/policyauth/caddy-policy-auth/internal/oidc"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/session"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// A browser without our cookie that opens several tabs at once would get a cookie from
// each, keep the last one and lose the sign-ins of the other tabs. Therefore only the
// first tab sets the cookie. The others wait, reload, and then send that cookie.
const (
	// newBrowserTime is how long a browser counts as new after its first sign-in
	// began. Within this time it receives its cookie.
	newBrowserTime = time.Second
	// tabWait is how long a tab waits before it reloads, and maxWaits how often it
	// does.
	tabWait  = 250 * time.Millisecond
	maxWaits = 6
)

// waitForOtherTab makes a tab of a browser without a cookie reload after tabWait if
// another tab seems to be signing in. Another browser with the same network and
// headers waits too and then gets a cookie of its own.
func (v *Request) waitForOtherTab() bool {
	query := v.R.URL.Query()
	waited, err := strconv.Atoi(query.Get("wait"))
	if _, known := v.readBrowserID(); known || v.currentIdentity() != nil || !pages.IsNavigation(v.R) || err == nil && waited >= maxWaits {
		return false
	}
	ctx := v.R.Context()
	looks := strings.Join([]string{netutil.Network(v.Client).String(), v.R.Host, v.R.UserAgent(), v.R.Header.Get("Accept-Language")}, "\x00")
	first, err := v.Sessions.Registry().Store().PutNew(ctx, "login-new/"+digest(looks, "new browser"), store.Item{Lifetime: newBrowserTime})
	if err != nil || first {
		v.browserID() // also if no sign-in starts because the provider is down
		return false
	}
	sleep(ctx, tabWait)
	query.Set("wait", strconv.Itoa(waited+1))
	v.Redirect(LoginPath + "?" + query.Encode())
	return true
}

// joinOtherTab redirects a tab that waited to its page if another tab has signed
// the browser in meanwhile. Browsers that were signed in before do not wait, so
// that step-ups and changes of the account are not skipped.
func (v *Request) joinOtherTab(returnTo string, ask oidc.StepUp) bool {
	if !v.R.URL.Query().Has("wait") || isStepUp(ask) || v.currentIdentity() == nil {
		return false
	}
	v.Redirect(SanitizeReturnTo(returnTo))
	return true
}

// sleep waits until d has passed or the client disconnects.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// requireNavigation rejects requests that are not top-level navigations: images,
// scripts, frames of other sites and prefetches do not start a sign-in (S-31).
// Clients that send no Sec-Fetch headers are accepted.
func (v *Request) requireNavigation() bool {
	h := v.R.Header
	mode, dest, site := h.Get("Sec-Fetch-Mode"), h.Get("Sec-Fetch-Dest"), h.Get("Sec-Fetch-Site")
	frame := dest == "iframe" || dest == "frame"
	switch {
	case len(h["Sec-Fetch-Mode"]) > 1 || len(h["Sec-Fetch-Dest"]) > 1 || len(h["Sec-Fetch-Site"]) > 1:
	case strings.Contains(h.Get("Sec-Purpose"), "prefetch"):
	case mode != "" && mode != "navigate":
	case dest != "" && dest != "document" && (!frame || site != "same-origin" && site != "none"):
	default:
		return true
	}
	v.Refuse(Event{Status: http.StatusForbidden, Reason: authenticator.ReasonCrossSite, Details: []authenticator.Detail{
		{Name: "sec_fetch_mode", Value: mode}, {Name: "sec_fetch_dest", Value: dest}, {Name: "sec_fetch_site", Value: site},
	}})
	return false
}

// keepsSession reports whether the browser already has a session of the same user
// that began after the transaction, from another tab. A step-up or another user
// starts a new session.
func (v *Request) keepsSession(t Transaction, record session.Record) bool {
	if isStepUp(t.StepUp) {
		return false
	}
	found, err := v.Sessions.Current(v.R.Context(), v.R, v.HTTPS)
	return err == nil && found.Person == record.Person && found.SID == record.SID &&
		found.Created.UnixMilli() >= t.Began && v.currentIdentity() != nil
}

// retryURL returns the URL of the sign-in page that starts a transaction's sign-in
// again.
func (v *Request) retryURL(t Transaction) string {
	var ask url.Values
	if isStepUp(t.StepUp) {
		ask = StepUpQuery(t.StepUp.ACRValues, t.StepUp.MaxAge)
	}
	return v.URL(t.ReturnTo, t.Login, ask)
}
