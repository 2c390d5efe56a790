package deny

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/respheader"
)

// Respond answers a denied request. It returns an error if the site's error routes
// answer instead.
func (rs *Responder) Respond(w http.ResponseWriter, r *http.Request, ex *exchange.Exchange, result *exchange.Result) error {
	if ex.Request.BodyBlocksConnection() {
		rs.warnUnending()
	}
	sending := hangUp(w, r, ex.Request.BodyAbandoned())
	err := rs.answer(w, r, ex, result)
	if sending && err == nil {
		drain(w, r, ex.Request.ClientAddr())
	}
	return err
}

func (rs *Responder) answer(w http.ResponseWriter, r *http.Request, ex *exchange.Exchange, result *exchange.Result) error {
	if result.Status == http.StatusNotFound && rs.Conceal {
		return rs.notFound(w, r, ex)
	}
	if redirect := result.Decision.Redirect; redirect != nil && redirect.Status == result.Status {
		respheader.AddAll(w.Header(), result.Decision.Headers)
		w.Header().Set("X-Request-Id", ex.ID())
		pages.Redirect(w, redirect.To, redirect.Status)
		return nil
	}
	details := rs.details(r, ex, result)
	if result.Status == http.StatusSeeOther {
		w.Header().Set("X-Request-Id", ex.ID())
		if rs.OwnPages {
			rs.LostRedirects.Sent(ex.Request.Time(), rs.Logger)
		}
		pages.RedirectToSignIn(w, details.LoginURL)
		return nil
	}
	if rs.Delegate {
		rs.Pages.Prepare(w.Header(), details)
		return errorRoute(r, result.Status, string(result.Reason))
	}
	_ = rs.Pages.Write(w, r, details) // it fails only if the client is gone
	return nil
}

// details gathers what the response says.
func (rs *Responder) details(r *http.Request, ex *exchange.Exchange, result *exchange.Result) pages.Denial {
	decision, outcome, identity := &result.Decision, &result.Outcome, result.Identity()
	wanted := authenticator.ChallengeRequest{Method: outcome.Method, Browser: pages.FromBrowser(r), Scheme: result.Source.Scheme, Verdict: outcome.Verdict, Reason: result.Reason, DPoPNonce: outcome.DPoPNonce, MaxAge: -1}
	if c := decision.Challenge; c != nil && identity.Authenticated && asks(result.Reason) {
		wanted.Scopes, wanted.ACRValues, wanted.MaxAge = c.Scopes, c.ACRValues, c.MaxAge
	}
	return pages.Denial{
		Status: result.Status, Reason: result.Reason, Codes: decision.Codes, LoginURL: rs.loginURL(r, ex, result),
		Message: decision.Message, Remediation: decision.Remediation,
		Challenges: challengesFor(result.Status, func() []authenticator.Challenge {
			return authn.AddChallenges(rs.Chain.Challenges(wanted), outcome.Challenges)
		}), Script: pages.IsScript(r),
		Scopes: wanted.Scopes, ACRValues: wanted.ACRValues, MaxAge: wanted.MaxAge,
		Identity: identity, RequestID: ex.ID(), RetryAfter: outcome.RetryAfter,
		Headers: decision.Headers, Body: decision.Body, Unread: result.Unread.Kinds,
	}
}

// asks reports whether a response with a reason asks for what the decision's challenge
// names.
func asks(reason authenticator.Reason) bool {
	return reason == authenticator.ReasonStepUpRequired || reason == authenticator.ReasonInsufficientScope
}

// Fail denies a request with 500 because of an error inside the handler.
func (rs *Responder) Fail(r *http.Request, ex *exchange.Exchange, err error) error {
	rs.Pages.Prepare(ex.Response.Header(), pages.Denial{Status: http.StatusInternalServerError, RequestID: ex.ID(), MaxAge: -1})
	return errorRoute(r, http.StatusInternalServerError, err.Error())
}

// MaskNotFound makes the next handler's own 404 look like the 404 of a concealed denial.
// It returns other errors as they are.
func (rs *Responder) MaskNotFound(r *http.Request, ex *exchange.Exchange, err error) error {
	var failure caddyhttp.HandlerError
	if errors.As(err, &failure) && failure.StatusCode == http.StatusNotFound {
		return rs.notFound(ex.Response.ResponseWriter, r, ex)
	}
	return err
}

// notFound answers 404 like Caddy itself, both for what is concealed and for what does
// not exist: clients must not be able to tell the two apart (R-403-3).
func (rs *Responder) notFound(w http.ResponseWriter, r *http.Request, ex *exchange.Exchange) error {
	rs.Pages.Prepare(w.Header(), pages.Denial{Status: http.StatusNotFound, RequestID: ex.ID(), MaxAge: -1})
	return errorRoute(r, http.StatusNotFound, "not found")
}

// Path is the path of a denied request in the site's error routes. With the original
// path, a file server among them would serve the protected file with the status of the
// denial (T-41).
const Path = "/.policy_auth/refused"

// errorRoute hands over to the site's error routes. Caddy restores the original path for
// them, so the original is changed too; {http.request.orig_uri} keeps it.
func errorRoute(r *http.Request, status int, why string) error {
	urls := []*url.URL{r.URL}
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		urls = append(urls, original.URL)
	}
	for _, u := range urls {
		u.Path, u.RawPath, u.Opaque = Path, "", ""
	}
	return caddyhttp.Error(status, errors.New(why))
}
