package policyauth

import (
	"net/http"

	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/cors"
	"github.com/policyauth/caddy-policy-auth/internal/deny"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/me"
	"github.com/policyauth/caddy-policy-auth/internal/observe"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// ServeHTTP serves a request. Whatever error leaves the handler, error routes see the request
// without credentials and identity headers.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	ex := exchange.Open(w, r, &h.requestConfig)
	shared := ex.Shared // ex may be closed then
	err := h.serve(w, r, ex, next)
	if err != nil {
		h.forwarder.Withdraw(r, shared)
	}
	return err
}

// serve runs the steps of a request: share links, metadata and sign-in endpoints, CORS,
// strip, identify, decide, choose the status, record, and forward or deny. The next
// handler runs if and only if the matcher excludes the request, a preflight passes to the
// upstream, or a policy allows the request.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, ex *exchange.Exchange, next caddyhttp.Handler) error {
	if h.guests.Serve(w, r, ex) {
		return nil
	}
	if ex.Request.TooEarly() {
		return h.deny(w, r, ex, h.caller(ex, deny.EarlyData(), authenticator.Source{}), policy.Denied(authenticator.ReasonEarlyData))
	}
	if path := ex.Request.EscapedPath(); h.chain.ServeMetadata(w, r, path, ex.ID) || h.identityJWT.ServeKeys(w, r, path, ex.ID) {
		return nil
	}
	switch h.preflight(w, r, ex) {
	case cors.Answered:
		ex.Close()
		return nil
	case cors.Pass:
		return h.passPreflight(w, r, ex, next)
	}
	h.guardCORS(w, ex)
	if h.serveSignIn(w, r, ex) {
		return nil
	}
	if h.me != nil && ex.Request.EscapedPath() == me.Path {
		return h.serveMe(w, r, ex)
	}
	if h.site.HasForm() && request.IsServiceWorker(r) {
		return h.deny(w, r, ex, h.caller(ex, authenticator.Outcome{Verdict: authenticator.Absent}, authenticator.Source{}), deny.ServiceWorker())
	}
	h.forwarder.Strip(r, ex)
	if judged, err := ex.Matches(r, h.matchers); err != nil || !judged {
		return h.skip(r, ex, next, err)
	}
	if h.matchers != nil {
		ex.Request.ClassifyHeaders() // a matcher may have changed headers
	}
	caller := h.identify(w, h.usingSession(r, ex), ex)
	decision := h.decide(r, ex, &caller)
	if !decision.Allow {
		return h.deny(w, r, ex, caller, decision)
	}
	result := exchange.Result{Caller: caller, Decision: decision, Reason: decision.Reason}
	h.recordAllowed(r, ex, &result)
	err := h.forwarder.Forward(r, ex, &result, next)
	ex.Close()
	return err
}

// deny chooses the status of a denied request, records it and answers it.
func (h *Handler) deny(w http.ResponseWriter, r *http.Request, ex *exchange.Exchange, caller exchange.Caller, decision policy.Decision) error {
	result := h.responder.ChooseStatus(r, ex, exchange.Result{Caller: caller, Decision: decision})
	h.recordDenied(r, ex, &result)
	return h.responder.Respond(w, r, ex, &result)
}

// preflight answers a preflight before any step asks for credentials, which it cannot have
// (Fetch, section 3.3.5). For other requests it sets the CORS headers of the response.
func (h *Handler) preflight(w http.ResponseWriter, r *http.Request, ex *exchange.Exchange) cors.Result {
	if h.cors == nil {
		return cors.Ordinary
	}
	defer h.reportCORS(w, r, ex)
	if len(r.Header["Origin"]) > 1 {
		h.logger.Info("a request with several Origin headers is treated as if its origin were not allowed")
	}
	return h.cors.Handle(w, r, ex.ID)
}

// reportCORS logs what the cors block does not allow of a cross-origin request.
func (h *Handler) reportCORS(w http.ResponseWriter, r *http.Request, ex *exchange.Exchange) {
	if len(r.Header["Origin"]) == 0 || w.Header()["Access-Control-Allow-Origin"] != nil {
		return
	}
	refusal := h.cors.Refusal(r)
	preflight := cors.IsPreflight(r)
	if refusal == (cors.Refusal{}) || !preflight && request.IsSameOrigin(r) {
		return
	}
	observe.LogCrossOrigin(h.sampledLogger, observe.CrossOrigin{
		Preflight: preflight, What: refusal.What, Value: refusal.Value, Origin: r.Header.Get("Origin"),
		Method: r.Header.Get("Access-Control-Request-Method"), Headers: r.Header.Get("Access-Control-Request-Headers"),
		RequestID: ex.ID(), Host: r.Host, Path: ex.Request.LogPath(), ClientIP: ex.Request.ClientIP(),
	})
}

// guardCORS keeps the next handler from setting CORS headers a second time: a browser
// rejects a response that has them twice (R-CORS-17).
func (h *Handler) guardCORS(w http.ResponseWriter, ex *exchange.Exchange) {
	if h.cors == nil {
		return
	}
	if correct := h.cors.Guard(w.Header()); correct != nil {
		ex.Response.Add(correct)
	}
}

// serveSignIn answers a request for one of the site's own sign-in pages.
func (h *Handler) serveSignIn(w http.ResponseWriter, r *http.Request, ex *exchange.Exchange) bool {
	path := ex.Request.EscapedPath()
	if !h.site.Handles(path) {
		return false
	}
	h.responder.LostRedirects.Arrived()
	asked := r.WithContext(r.Context())
	asked.URL = ex.Request.URL() // as it was before any rewrite
	return h.site.Serve(&login.Request{
		W: w, R: asked, Path: path, HTTPS: ex.HTTPS(), Secure: h.secure(ex),
		Client: ex.Request.ClientAddr(), RequestID: ex.ID(),
	})
}

// serveMe answers a page that asks who is signed in. Pages of other sites get the same
// answer whether the caller is signed in or not.
func (h *Handler) serveMe(w http.ResponseWriter, r *http.Request, ex *exchange.Exchange) error {
	me.Protect(w.Header())
	credentialed := func(origin string) bool { return h.cors != nil && h.cors.Allowed(origin) }
	if !me.Allowed(r, credentialed) {
		outcome := authenticator.Reject(authenticator.ReasonOriginRefused, authenticator.Detail{Name: "origin", Value: r.Header.Get("Origin")})
		return h.deny(w, me.AsScript(r), ex, h.caller(ex, outcome, authenticator.Source{}), policy.Denied(authenticator.ReasonOriginRefused))
	}
	w.Header().Set("X-Request-Id", ex.ID())
	if !me.AllowsMethod(w, r) {
		return nil
	}
	ex.Session.Passive = true
	caller := h.identify(w, r.WithContext(ex.Session.In(r.Context())), ex)
	if identity := caller.Identity(); identity.Authenticated {
		err := h.me.Write(w, r, identity)
		ex.Close()
		return err
	}
	decision := policy.Denied(authenticator.ReasonCredentialsMissing)
	if caller.Outcome.Verdict != authenticator.Absent {
		decision = policy.Denied(caller.Outcome.Reason)
	}
	return h.deny(w, me.AsScript(r), ex, caller, decision)
}

// secure reports whether the request may carry credentials.
func (h *Handler) secure(ex *exchange.Exchange) bool { return h.InsecureHTTP || ex.Request.Secure() }

// reportSignIn logs a sign-in or sign-out.
func (h *Handler) reportSignIn(r *http.Request, e login.Event) {
	observe.LogSignIn(h.logger, observe.SignIn{
		Message: string(e.Kind), Login: e.Login, Refused: e.Kind == login.Failed, Status: e.Status, Reason: e.Reason, Cause: e.Cause, Identity: e.Identity,
		Candidate: e.Candidate, Details: e.Details, Err: e.Err, RequestID: e.RequestID, Host: r.Host, ClientIP: e.Client.String(),
	})
}

// passPreflight sends a preflight to the next handler, without any credential. It denies
// one whose path hides another method, which cannot be removed.
func (h *Handler) passPreflight(w http.ResponseWriter, r *http.Request, ex *exchange.Exchange, next caddyhttp.Handler) error {
	if ex.Request.HidesParameter([]string{request.MethodParameter}) {
		return h.deny(w, r, ex, h.caller(ex, deny.HiddenMethod(), authenticator.Source{}), policy.Denied(authenticator.ReasonPathAmbiguous))
	}
	return h.forwarder.ForwardPreflight(r, ex, next)
}

// skip sends a request that the matcher excludes to the next handler. A matcher that
// fails denies the request.
func (h *Handler) skip(r *http.Request, ex *exchange.Exchange, next caddyhttp.Handler, err error) error {
	if err != nil {
		return h.responder.Fail(r, ex, err)
	}
	err = h.forwarder.RunNext(r, ex, next)
	ex.Close()
	return err
}

// identify authenticates the caller. A path that cannot be judged denies the request
// before any method reads a credential; a cookie that holds no valid session is deleted.
func (h *Handler) identify(w http.ResponseWriter, r *http.Request, ex *exchange.Exchange) exchange.Caller {
	h.warnNested(ex)
	if ex.Shared.Restore(r.Header) {
		ex.Request.ClassifyHeaders()
	}
	if outcome, denied := deny.Unjudgeable(&ex.Request); denied {
		return h.caller(ex, outcome, authenticator.Source{})
	}
	if h.chain.ReadsCertificates() && ex.Request.Misdirected() {
		return h.caller(ex, deny.Misdirected(&ex.Request), authenticator.Source{})
	}
	if outcome, denied := h.chain.RefuseOrigin(r, ex.Request.Readings(), h.namesOrigin); denied {
		return h.caller(ex, outcome, authenticator.Source{})
	}
	identified := h.chain.Identify(r, h.secure(ex))
	ex.Request.SetForeignBearer(identified.ForeignBearer)
	if identified.Verdict == authenticator.Absent && identified.Source.Cookie != "" {
		authn.DeleteCookie(w, identified.Source, ex.HTTPS())
	}
	guest := h.guests.Identify(w, r, ex, &identified)
	if nonce := identified.DPoPNonce; nonce != "" {
		w.Header().Set("DPoP-Nonce", nonce) // RFC 9449, section 9
	}
	caller := h.caller(ex, identified.Outcome, identified.Source)
	if guest != nil {
		caller.Input.Identity = guest
	}
	return caller
}

// usingSession returns a request for which the session method also gets the token of the
// session for the next handler, if the site passes one on.
func (h *Handler) usingSession(r *http.Request, ex *exchange.Exchange) *http.Request {
	if h.UpstreamToken == nil {
		return r
	}
	ex.Session.Upstream = true
	return r.WithContext(ex.Session.In(r.Context()))
}

// namesOrigin reports whether the cors block allows scripts of an origin.
func (h *Handler) namesOrigin(origin string) bool { return h.cors != nil && h.cors.Names(origin) }

// warnNested logs once that a request passed through two policy_auth handlers.
func (h *Handler) warnNested(ex *exchange.Exchange) {
	ex.Shared.Handlers++
	if ex.Shared.Handlers > 1 {
		h.nestedWarning.Do(func() {
			h.logger.Warn("a request passed through two policy_auth handlers; both must allow it")
		})
	}
}

// decide evaluates the policies, also for anonymous callers: a rule makes a path public,
// nothing bypasses the rules. A rejected credential denies the request without policies.
func (h *Handler) decide(r *http.Request, ex *exchange.Exchange, caller *exchange.Caller) policy.Decision {
	if outcome := &caller.Outcome; outcome.Verdict != authenticator.Accepted && outcome.Verdict != authenticator.Absent {
		return policy.Decision{}.DeniedFor(outcome.Reason, outcome.Err)
	}
	defer ex.Request.DropBody()
	decision := h.policies.Decide(r.Context(), caller.Input)
	observe.Decision(h.decisions, func() (any, bool) { return h.policies.Entry(r.Context(), caller.Input, decision) })
	if !decision.Allow {
		return decision
	}
	if reason, err := h.forwarder.Check(ex, &decision); reason != "" {
		return decision.DeniedFor(reason, err)
	}
	if reason, err := h.issueTokens(r, ex, caller.Identity()); reason != "" {
		return decision.DeniedFor(reason, err)
	}
	return decision
}

// issueTokens makes the tokens that the next handler gets of an allowed caller. Without
// them the request is denied: the next handler would take the caller for anonymous.
func (h *Handler) issueTokens(r *http.Request, ex *exchange.Exchange, id *authenticator.Identity) (reason authenticator.Reason, err error) {
	if h.identityJWT == nil {
		return "", nil
	}
	if ex.IdentityJWT, err = h.identityJWT.Token(r.Context(), id); err != nil {
		return authenticator.ReasonStoreUnavailable, err
	}
	return "", nil
}

// caller returns the result of authentication with what the policies will judge.
func (h *Handler) caller(ex *exchange.Exchange, outcome authenticator.Outcome, source authenticator.Source) exchange.Caller {
	in := policy.Input{Request: &ex.Request, Identity: authenticator.Anonymous(), Config: h.config, Body: h.body}
	switch outcome.Verdict {
	case authenticator.Accepted:
		in.Identity = outcome.Identity
	case authenticator.Absent:
		in.Failure = outcome.Reason
	}
	return exchange.Caller{Outcome: outcome, Source: source, Input: in}
}

// recordDenied logs and counts a denied request, and keeps it for the explain command.
func (h *Handler) recordDenied(r *http.Request, ex *exchange.Exchange, result *exchange.Result) {
	event := h.event(r, ex, result)
	h.responder.Remember(r, ex, result)
	observe.Log(h.logger, &event)
	h.show(r, ex, event.Summary())
	observe.CountDenied(&event)
}

// recordAllowed counts an allowed request. It makes the log line, at debug, only if it is
// written.
func (h *Handler) recordAllowed(r *http.Request, ex *exchange.Exchange, result *exchange.Result) {
	if h.logger.Core().Enabled(zapcore.DebugLevel) {
		event := h.event(r, ex, result)
		observe.Log(h.logger, &event)
	}
	decision, outcome := &result.Decision, &result.Outcome
	h.show(r, ex, observe.Allowed(result.Identity(), outcome.Method, decision.Revision, decision.Metadata))
	observe.CountAllowed(outcome.Verdict, outcome.Method, decision.Elapsed, string(decision.Cached))
}

// event returns a result for the log.
func (h *Handler) event(r *http.Request, ex *exchange.Exchange, result *exchange.Result) observe.Event {
	decision := &result.Decision
	return observe.Event{
		RequestID: ex.ID, Allowed: decision.Allow, Status: result.Status, Reason: result.Reason, Codes: decision.Codes,
		Outcome: result.Outcome, Identity: result.Identity(), Labels: decision.Labels, Vars: decision.Metadata, Revision: decision.Revision,
		Hint: result.Hint, Admin: h.admin, Err: decision.Err, HTTPMethod: r.Method, Host: r.Host, Path: ex.Request.LogPath(),
		ClientIP: ex.Request.ClientIP(), Elapsed: decision.Elapsed, Cached: string(decision.Cached),
	}
}

// show makes the summary the one that the access log and placeholders show.
func (h *Handler) show(r *http.Request, ex *exchange.Exchange, summary observe.Summary) {
	*ex.Summary = summary
	observe.AccessLog(r, ex.Summary)
	ex.Shared.Placeholders.Show(ex.Replacer, ex.Summary)
}
