package policyauth

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/cors"
	"github.com/policyauth/caddy-policy-auth/internal/denial"
	"github.com/policyauth/caddy-policy-auth/internal/identity"
	"github.com/policyauth/caddy-policy-auth/internal/observe"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/upstream"
)

// ServeHTTP is the straight line of a request: open, cors, strip, identify,
// decide, record, and allow or deny. The next handler runs if and only if the
// request is not the handler's to judge or a policy allowed it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if r.URL.Opaque != "" {
		return refused(r, http.StatusBadRequest, "the request's target is opaque")
	}
	v := h.open(r)
	switch h.preflight(w, r) {
	case cors.Answered:
		return nil
	case cors.Pass:
		return h.pass(w, r, v, next)
	}
	w = h.guard(w)
	h.headers.Strip(r, v.passage)
	if judged, err := h.matches(r); err != nil || !judged {
		return h.unjudged(w, r, v, next, err)
	}
	outcome, place := h.identify(w, r, v)
	decision := h.decide(r, v, outcome)
	event := h.record(r, v, outcome, decision)
	if event.Allowed {
		return h.allow(w, r, v, place, event, decision, next)
	}
	return h.deny(w, r, v, event, decision)
}

// visit is what the steps of one request share.
type visit struct {
	repl    *caddy.Replacer
	passage *upstream.Passage
	request *request.Request
	elapsed time.Duration // spent on policies
}

// id returns the request's id, which Caddy makes and logs when it is first read.
func (v *visit) id() string {
	id, _ := v.repl.GetString("http.request.uuid")
	return id
}

// passageVar is the request variable that holds the request's Passage.
const passageVar = "policy_auth"

// open gathers what the web server knows of the request.
func (h *Handler) open(r *http.Request) *visit {
	v := &visit{}
	v.repl, _ = r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	v.passage, _ = caddyhttp.GetVar(r.Context(), passageVar).(*upstream.Passage)
	if v.passage == nil {
		v.passage = new(upstream.Passage)
		caddyhttp.SetVar(r.Context(), passageVar, v.passage)
	}
	facts := request.Facts{ID: v.id, Time: time.Now()}
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		facts.Original = &original
	}
	facts.ClientIP, _ = caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	facts.TrustedProxy, _ = caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	facts.PeerIP, _, _ = net.SplitHostPort(r.RemoteAddr)
	v.request = request.New(r, facts, &h.reading)
	return v
}

// preflight answers a preflight before anything asks for credentials, which it
// cannot have (Fetch, section 3.3.5), and prepares CORS headers for whatever
// answer comes.
func (h *Handler) preflight(w http.ResponseWriter, r *http.Request) cors.Result {
	if h.cors == nil {
		return cors.Ordinary
	}
	if len(r.Header["Origin"]) > 1 {
		h.logger.Info("a request with several Origin lines is treated as one of an origin that is not allowed")
	}
	return h.cors.Handle(w, r)
}

// guard keeps the next handler's answers from contradicting the site's own CORS
// headers: a browser refuses an answer that has them twice (R-CORS-17).
func (h *Handler) guard(w http.ResponseWriter) http.ResponseWriter {
	if h.cors == nil {
		return w
	}
	return h.cors.Guard(w)
}

// pass hands a preflight to the upstream, without any credential.
func (h *Handler) pass(w http.ResponseWriter, r *http.Request, v *visit, next caddyhttp.Handler) error {
	h.headers.Strip(r, v.passage)
	upstream.Withdraw(r.Header, h.chain.Headers())
	return next.ServeHTTP(w, r)
}

// matches reports whether the request is one to authenticate and judge.
func (h *Handler) matches(r *http.Request) (bool, error) {
	if h.matchers == nil {
		return true, nil
	}
	return h.matchers.AnyMatchWithError(r)
}

// unjudged lets a request pass that the matcher does not name; a matcher that
// failed lets nobody pass.
func (h *Handler) unjudged(w http.ResponseWriter, r *http.Request, v *visit, next caddyhttp.Handler, err error) error {
	if err != nil {
		h.pages.Prepare(w.Header(), denial.Refusal{Status: http.StatusInternalServerError, RequestID: v.id(), MaxAge: -1})
		return refused(r, http.StatusInternalServerError, err.Error())
	}
	return next.ServeHTTP(w, r)
}

// identify says who is calling. A path that cannot be judged is refused here,
// before a credential is read; a dead cookie is cleared.
func (h *Handler) identify(w http.ResponseWriter, r *http.Request, v *visit) (identity.Outcome, authn.Place) {
	h.warnTwice(v)
	v.passage.Restore(r.Header)
	if flag := v.request.Refused(); flag != "" {
		return identity.Outcome{
			Verdict: identity.Malformed, Reason: identity.ReasonPathAmbiguous,
			Details: []identity.Detail{{Name: "path_flag", Value: string(flag)}},
		}, authn.Place{}
	}
	outcome, place := h.chain.Identify(r, h.InsecureHTTP || v.request.Secure())
	if outcome.Verdict == identity.Absent && place.Cookie() != "" {
		http.SetCookie(w, &http.Cookie{Name: place.Cookie(), Path: "/", MaxAge: -1, Secure: r.TLS != nil, HttpOnly: true})
	}
	return outcome, place
}

// warnTwice tells the operator, once, that requests pass two handlers.
func (h *Handler) warnTwice(v *visit) {
	v.passage.Handlers++
	if v.passage.Handlers > 1 {
		h.twice.Do(func() {
			h.logger.Warn("a request was judged by two policy_auth handlers; both must allow it")
		})
	}
}

// decide asks the policies, also for anonymous callers: public is a rule and
// not a bypass. A credential that failed is refused without asking.
func (h *Handler) decide(r *http.Request, v *visit, outcome identity.Outcome) policy.Decision {
	failure := identity.ReasonNone
	switch outcome.Verdict {
	case identity.Accepted:
	case identity.Absent:
		failure = outcome.Reason
	default:
		return policy.Decision{Reason: outcome.Reason}
	}
	start := time.Now()
	decision := h.policies.Decide(r.Context(), policy.Input{
		Request: v.request, Identity: caller(outcome), Failure: failure, Config: h.config,
	})
	v.elapsed = time.Since(start)
	if !decision.Allow {
		return decision
	}
	if err := h.headers.Check(decision.Headers, decision.RequestHeadersToRemove); err != nil {
		return policy.Decision{Reason: identity.ReasonPolicyError, Revision: decision.Revision, Err: err}
	}
	return decision
}

// caller returns whom an outcome speaks of: nobody unless it was accepted.
func caller(outcome identity.Outcome) *identity.Identity {
	if outcome.Verdict == identity.Accepted {
		return outcome.Identity
	}
	return identity.Anonymous()
}

// record chooses the status of a refusal and tells the operator what was decided.
func (h *Handler) record(r *http.Request, v *visit, outcome identity.Outcome, decision policy.Decision) *observe.Event {
	event := &observe.Event{
		RequestID: v.id, Allowed: decision.Allow, Reason: decision.Reason, Codes: decision.Codes,
		Outcome: outcome, Identity: caller(outcome), Labels: decision.Labels, Revision: decision.Revision,
		Err: decision.Err, HTTPMethod: r.Method, Host: r.Host, Path: v.request.Readings()[0].Path,
		ClientIP: v.request.Client().IP, Elapsed: v.elapsed,
	}
	if !event.Allowed {
		event.Reason, event.Status = denial.Choose(h.refusalCase(event, decision))
		event.Hint = h.hint(r, event.Reason)
	}
	observe.Log(h.logger, event)
	observe.AccessLog(r, event)
	observe.Placeholders(v.repl, event)
	observe.Count(event)
	return event
}

// hint tells an operator of what is often forgotten.
func (h *Handler) hint(r *http.Request, reason identity.Reason) string {
	switch {
	case reason == identity.ReasonInsecureTransport:
		return "the credential came over plain HTTP: use https, name the proxy that ends TLS in trusted_proxies, or say insecure_http"
	case h.cors == nil && cors.IsPreflight(r):
		return "this is a browser's preflight, which never has credentials: a cors block answers it"
	}
	return ""
}

// refusalCase is what the choice of a status depends on.
func (h *Handler) refusalCase(event *observe.Event, decision policy.Decision) denial.Case {
	c := denial.Case{
		Outcome: event.Outcome, Reason: decision.Reason, Status: decision.Status,
		Challenged: h.chain.Challenged(), Conceal: h.Conceal,
	}
	if decision.Redirect != nil {
		c.Status = decision.Redirect.Status
	}
	if wanted := decision.Challenge; wanted != nil {
		c.StepUp, c.Scopes = len(wanted.ACRValues) > 0 || wanted.MaxAge >= 0, len(wanted.Scopes) > 0
	}
	return c
}

// allow tells the next handler who is calling and takes away the credential
// that was meant for us.
func (h *Handler) allow(w http.ResponseWriter, r *http.Request, v *visit, place authn.Place, event *observe.Event, decision policy.Decision, next caddyhttp.Handler) error {
	if !h.ForwardCredentials {
		v.passage.Take(r.Header, place.Header(), place.Left(r))
		place.CutQuery(r)
	}
	v.passage.Withhold(r.Header) // what an earlier handler took stays taken
	if place.Query() != "" {
		w.Header().Set("Cache-Control", "private") // RFC 6750, section 2.3
	}
	if leftOut := h.headers.Set(r, event.Identity, v.passage); len(leftOut) > 0 {
		h.logger.Warn("identity headers left out: their value cannot stand in a header",
			zap.String("request_id", v.id()), zap.Strings("headers", leftOut), zap.String("user_id", event.Identity.ID))
	}
	upstream.Apply(r, decision.Headers, decision.RequestHeadersToRemove)
	upstream.AddResponse(w.Header(), decision.ResponseHeadersToAdd)
	err := next.ServeHTTP(w, r)
	if h.Conceal && isNotFound(err) {
		return h.notFound(w, r, v)
	}
	return err
}

// deny answers a refused request.
func (h *Handler) deny(w http.ResponseWriter, r *http.Request, v *visit, event *observe.Event, decision policy.Decision) error {
	if event.Status == http.StatusNotFound && h.Conceal {
		return h.notFound(w, r, v)
	}
	if to := decision.Redirect; to != nil && to.Status == event.Status {
		w.Header().Set("X-Request-Id", v.id())
		denial.Redirect(w, to.To, to.Status)
		return nil
	}
	refusal := h.refusal(v, event, decision)
	if h.errorPages().Mode == "delegate" {
		h.pages.Prepare(w.Header(), refusal)
		return refused(r, event.Status, string(event.Reason))
	}
	_ = h.pages.Write(w, r, refusal) // it fails only if nobody is there any more
	return nil
}

// refusal gathers what the refused are told.
func (h *Handler) refusal(v *visit, event *observe.Event, decision policy.Decision) denial.Refusal {
	demand := identity.Demand{Method: event.Outcome.Method, Verdict: event.Outcome.Verdict, Reason: event.Reason, MaxAge: -1}
	if c := decision.Challenge; c != nil && event.Identity.Authenticated {
		demand.Scopes, demand.ACRValues, demand.MaxAge = c.Scopes, c.ACRValues, c.MaxAge
	}
	return denial.Refusal{
		Status: event.Status, Reason: event.Reason, Codes: event.Codes,
		Message: decision.Message, Remediation: decision.Remediation,
		Challenges: denial.Applicable(event.Status, h.chain.Challenges(demand)),
		Scopes:     demand.Scopes, ACRValues: demand.ACRValues, MaxAge: demand.MaxAge,
		Identity: event.Identity, RequestID: v.id(), RetryAfter: event.Outcome.RetryAfter,
		Headers: decision.Headers, Body: decision.Body,
	}
}

// notFound answers like Caddy itself where there is nothing, both for what is
// concealed and for what is not there: the two must not be told apart (R-403-3).
func (h *Handler) notFound(w http.ResponseWriter, r *http.Request, v *visit) error {
	h.pages.Prepare(w.Header(), denial.Refusal{Status: http.StatusNotFound, RequestID: v.id(), MaxAge: -1})
	return refused(r, http.StatusNotFound, "not found")
}

// isNotFound reports whether the next handler found nothing.
func isNotFound(err error) bool {
	var failure caddyhttp.HandlerError
	return errors.As(err, &failure) && failure.StatusCode == http.StatusNotFound
}

// refusedPath is where a refused request points to when the site's error
// routes take over, so that a file server among them finds nothing: without
// it, it would serve the protected file with the status of the refusal (T-41).
const refusedPath = "/.policy_auth/refused"

// refused hands over to the site's error routes. Caddy gives those the original
// path back, so that one is changed too; {http.request.orig_uri} keeps it.
func refused(r *http.Request, status int, why string) error {
	urls := []*url.URL{r.URL}
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		urls = append(urls, original.URL)
	}
	for _, u := range urls {
		u.Path, u.RawPath = refusedPath, ""
	}
	return caddyhttp.Error(status, errors.New(why))
}
