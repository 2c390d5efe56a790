package deny

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/respheader"
)

// Respond answers a refused request. The error, if there is one, is for the
// site's error routes.
func (d *Responder) Respond(w http.ResponseWriter, r *http.Request, v *exchange.Exchange, decision policy.Decision) error {
	if v.Request.BodyBlocksConnection() {
		d.warnUnending()
	}
	sending := hangUp(w, r, v.Request.BodyAbandoned())
	err := d.answer(w, r, v, decision)
	if sending && err == nil {
		drain(w, r, v.Request.ClientAddr())
	}
	return err
}

func (d *Responder) answer(w http.ResponseWriter, r *http.Request, v *exchange.Exchange, decision policy.Decision) error {
	status := v.Event.Status
	if status == http.StatusNotFound && d.Conceal {
		return d.notFound(w, r, v)
	}
	if to := decision.Redirect; to != nil && to.Status == status {
		respheader.AddAll(w.Header(), decision.Headers)
		w.Header().Set("X-Request-Id", v.ID())
		pages.Redirect(w, to.To, to.Status)
		return nil
	}
	told := d.told(r, v, decision)
	if status == http.StatusSeeOther {
		w.Header().Set("X-Request-Id", v.ID())
		if d.Sessions {
			d.Arrivals.Sent(v.Request.Time(), d.Logger)
		}
		pages.RedirectToSignIn(w, told.LoginURL)
		return nil
	}
	if d.Delegate {
		d.Pages.Prepare(w.Header(), told)
		return refused(r, status, string(v.Event.Reason))
	}
	_ = d.Pages.Write(w, r, told) // it fails only if the client is gone
	return nil
}

// told gathers what the refused are told.
func (d *Responder) told(r *http.Request, v *exchange.Exchange, decision policy.Decision) pages.Denial {
	event := &v.Event
	demand := authenticator.ChallengeRequest{Method: event.Outcome.Method, Verdict: event.Outcome.Verdict, Reason: event.Reason, MaxAge: -1}
	if c := decision.Challenge; c != nil && event.Identity.Authenticated {
		demand.Scopes, demand.ACRValues, demand.MaxAge = c.Scopes, c.ACRValues, c.MaxAge
	}
	return pages.Denial{
		Status: event.Status, Reason: event.Reason, Codes: event.Codes, LoginURL: d.loginURL(r, v, decision),
		Message: decision.Message, Remediation: decision.Remediation,
		Challenges: challengesFor(event.Status, func() []authenticator.Challenge { return d.Chain.Challenges(demand) }), Script: pages.IsScript(r),
		Scopes: demand.Scopes, ACRValues: demand.ACRValues, MaxAge: demand.MaxAge,
		Identity: event.Identity, RequestID: v.ID(), RetryAfter: event.Outcome.RetryAfter,
		Headers: decision.Headers, Body: decision.Body, Unread: v.Unread.Kinds,
	}
}

// Fail refuses a request because of a mistake of ours.
func (d *Responder) Fail(r *http.Request, v *exchange.Exchange, err error) error {
	d.Pages.Prepare(v.Response.Header(), pages.Denial{Status: http.StatusInternalServerError, RequestID: v.ID(), MaxAge: -1})
	return refused(r, http.StatusInternalServerError, err.Error())
}

// MaskNotFound makes the next handler's own 404 look like one that conceals something;
// other errors it returns as they are.
func (d *Responder) MaskNotFound(r *http.Request, v *exchange.Exchange, err error) error {
	if d.Conceal && isNotFound(err) {
		return d.notFound(v.Response.ResponseWriter, r, v)
	}
	return err
}

// isNotFound reports whether the next handler found nothing.
func isNotFound(err error) bool {
	var failure caddyhttp.HandlerError
	return errors.As(err, &failure) && failure.StatusCode == http.StatusNotFound
}

// notFound answers like Caddy itself where there is nothing, both for what is
// concealed and for what is not there: the two must not be told apart (R-403-3).
func (d *Responder) notFound(w http.ResponseWriter, r *http.Request, v *exchange.Exchange) error {
	d.Pages.Prepare(w.Header(), pages.Denial{Status: http.StatusNotFound, RequestID: v.ID(), MaxAge: -1})
	return refused(r, http.StatusNotFound, "not found")
}

// Path is where a refused request points to when the site's error routes take
// over, so that a file server among them finds nothing: without it, it would
// serve the protected file with the status of the refusal (T-41).
const Path = "/.policy_auth/refused"

// refused hands over to the site's error routes. Caddy gives those the original
// path back, so that one is changed too; {http.request.orig_uri} keeps it.
func refused(r *http.Request, status int, why string) error {
	urls := []*url.URL{r.URL}
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		urls = append(urls, original.URL)
	}
	for _, u := range urls {
		u.Path, u.RawPath, u.Opaque = Path, "", ""
	}
	return caddyhttp.Error(status, errors.New(why))
}
