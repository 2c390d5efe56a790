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

// A browser without a cookie of ours that opens several tabs at once would be given
// several cookies, keep the last of them, and lose the other sign-ins. So the first
// of them gives it one, and the others wait and ask again, then with the cookie.
const (
	// newBrowserTime is for how long a browser counts as new after its first sign-in
	// began: until the answer with the cookie must have arrived.
	newBrowserTime = time.Second
	// tabWait is how long a tab waits before it asks again, maxWaits how often.
	tabWait  = 250 * time.Millisecond
	maxWaits = 6
)

// waitForOtherTab has a tab of a new browser ask again a little later, if another tab seems to
// be signing in as well. Another browser that looks alike waits too; it gets a
// cookie of its own.
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
		v.browserID() // also where nothing begins, since the provider is down
		return false
	}
	sleep(ctx, tabWait)
	query.Set("wait", strconv.Itoa(waited+1))
	v.Redirect(LoginPath + "?" + query.Encode())
	return true
}

// joinOtherTab sends a tab that waited on to its page if another tab has signed the browser in
// meanwhile. A browser that was signed in before did not wait, so that no step-up and no
// change of account is skipped.
func (v *Request) joinOtherTab(returnTo string, ask oidc.StepUp) bool {
	if !v.R.URL.Query().Has("wait") || isStepUp(ask) || v.currentIdentity() == nil {
		return false
	}
	v.Redirect(SanitizeReturnTo(returnTo))
	return true
}

// sleep waits, unless the client is gone.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// requireNavigation refuses what is not a person's visit: pictures, scripts, frames of
// other sites and what is fetched in advance begin no sign-in (S-31). Old browsers
// and programs do not say what a request is for.
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

// keepsSession reports whether a browser keeps the session that it has rather than begin
// another: a tab that began to sign in before another one succeeded brings the same
// person. A step-up and another person begin a session.
func (v *Request) keepsSession(t Transaction, record session.Record) bool {
	if isStepUp(t.StepUp) {
		return false
	}
	found, err := v.Sessions.Current(v.R.Context(), v.R, v.HTTPS)
	return err == nil && found.Login == record.Login && found.Subject == record.Subject && found.SID == record.SID &&
		found.Created.UnixMilli() >= t.Began && v.currentIdentity() != nil
}

// retryURL returns where to sign in again to come back to the page of a transaction,
// with what it asked for.
func (v *Request) retryURL(t Transaction) string {
	var ask url.Values
	if isStepUp(t.StepUp) {
		ask = StepUpQuery(t.StepUp.ACRValues, t.StepUp.MaxAge)
	}
	return v.URL(t.ReturnTo, t.Login, ask)
}
