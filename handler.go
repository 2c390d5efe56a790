package policyauth

import (
	"maps"
	"net/http"
	"slices"

	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/cors"
	"github.com/policyauth/caddy-policy-auth/internal/deny"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/forward"
	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/observe"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// ServeHTTP is the straight line of a request: open, metadata, cors, sign-in pages, strip,
// identify, decide, record, and allow or deny. The next handler runs if and only if the
// request is not the handler's to judge or a policy allowed it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	v := exchange.Open(w, r, &h.reading)
	if v.Request.TooEarly() {
		return h.refuse(w, r, v, deny.Early(), policy.Denied(authenticator.ReasonEarlyData))
	}
	if h.chain.ServeMetadata(w, r, v.Request.EscapedPath()) {
		return nil
	}
	switch h.preflight(w, r, v) {
	case cors.Answered:
		v.Close()
		return nil
	case cors.Pass:
		return h.pass(w, r, v, next)
	}
	h.guard(w, v)
	if h.signsIn(w, r, v) {
		return nil
	}
	if h.site.HasForm() && request.IsServiceWorker(r) {
		return h.refuse(w, r, v, authenticator.Outcome{Verdict: authenticator.Absent}, deny.NoServiceWorker())
	}
	h.forwarder.Strip(r, v)
	if judged, err := v.Matches(r, h.matchers); err != nil || !judged {
		return h.unjudged(r, v, next, err)
	}
	if h.matchers != nil {
		v.Request.ClassifyHeaders() // a matcher may have changed headers
	}
	outcome, source := h.identify(w, r, v)
	decision := h.decide(r, v, &outcome)
	if !decision.Allow {
		return h.refuse(w, r, v, outcome, decision)
	}
	h.recordAllowed(r, v, &outcome, &decision)
	who := forward.Caller{Identity: caller(&outcome), Source: source, Hold: outcome.Hold}
	err := h.desk.MaskNotFound(r, v, h.forwarder.Forward(r, v, who, &decision, next))
	v.Close()
	return err
}

// refuse answers a request that is refused, and tells the operator.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, v *exchange.Exchange, outcome authenticator.Outcome, decision policy.Decision) error {
	h.record(r, v, outcome, decision)
	return h.desk.Respond(w, r, v, decision)
}

// preflight answers a preflight before anything asks for credentials, which it
// cannot have (Fetch, section 3.3.5), and prepares CORS headers for whatever
// answer comes.
func (h *Handler) preflight(w http.ResponseWriter, r *http.Request, v *exchange.Exchange) cors.Result {
	if h.cors == nil {
		return cors.Ordinary
	}
	defer h.reportCORS(w, r, v)
	if len(r.Header["Origin"]) > 1 {
		h.logger.Info("a request with several Origin lines is treated as one of an origin that is not allowed")
	}
	return h.cors.Handle(w, r, v.ID)
}

// reportCORS tells the operator what the cors block does not allow of a request
// of another origin.
func (h *Handler) reportCORS(w http.ResponseWriter, r *http.Request, v *exchange.Exchange) {
	if len(r.Header["Origin"]) == 0 || w.Header()["Access-Control-Allow-Origin"] != nil {
		return
	}
	refusal := h.cors.Refusal(r)
	preflight := cors.IsPreflight(r)
	if refusal == (cors.Refusal{}) || !preflight && request.IsSameOrigin(r) {
		return
	}
	observe.LogCrossOrigin(h.sampled, observe.CrossOrigin{
		Preflight: preflight, What: refusal.What, Value: refusal.Value, Origin: r.Header.Get("Origin"),
		Method: r.Header.Get("Access-Control-Request-Method"), Headers: r.Header.Get("Access-Control-Request-Headers"),
		RequestID: v.ID(), Host: r.Host, Path: v.Request.Readings()[0].Path, ClientIP: v.Request.ClientIP(),
	})
}

// guard keeps the next handler's answers from contradicting the site's own CORS
// headers: a browser refuses an answer that has them twice (R-CORS-17).
func (h *Handler) guard(w http.ResponseWriter, v *exchange.Exchange) {
	if h.cors == nil {
		return
	}
	if correct := h.cors.Guard(w.Header()); correct != nil {
		v.Response.Add(correct)
	}
}

// signsIn answers a request for one of the site's own pages of signing in and out.
func (h *Handler) signsIn(w http.ResponseWriter, r *http.Request, v *exchange.Exchange) bool {
	path := v.Request.EscapedPath()
	if !h.site.Handles(path) {
		return false
	}
	h.desk.Arrivals.Arrived()
	asked := r.WithContext(r.Context())
	asked.URL = v.Request.URL() // as it was before any rewrite
	return h.site.Serve(&login.Request{
		W: w, R: asked, Path: path, HTTPS: v.Request.Scheme() == "https", Secure: h.InsecureHTTP || v.Request.Secure(),
		Client: v.Request.ClientAddr(), RequestID: v.ID(),
	})
}

// reportSignIn tells the operator of a sign-in or sign-out.
func (h *Handler) reportSignIn(r *http.Request, e login.Event) {
	observe.LogSignIn(h.logger, observe.SignIn{
		Message: string(e.Kind), Login: e.Login, Refused: e.Kind == login.Failed, Status: e.Status, Reason: e.Reason, Cause: e.Cause, Identity: e.Identity,
		Candidate: e.Candidate, Details: e.Details, Err: e.Err, RequestID: e.RequestID, Host: r.Host, ClientIP: e.Client.String(),
	})
}

// pass hands a preflight to the upstream, without any credential. One whose path
// hides another method, which cannot be taken out, is refused.
func (h *Handler) pass(w http.ResponseWriter, r *http.Request, v *exchange.Exchange, next caddyhttp.Handler) error {
	if v.Request.HidesParameter([]string{request.MethodParameter}) {
		return h.refuse(w, r, v, deny.HiddenMethod(), policy.Denied(authenticator.ReasonPathAmbiguous))
	}
	return h.forwarder.ForwardPreflight(r, v, next)
}

// unjudged lets a request pass that the matcher does not name; a matcher that
// failed lets no request pass.
func (h *Handler) unjudged(r *http.Request, v *exchange.Exchange, next caddyhttp.Handler, err error) error {
	if err != nil {
		return h.desk.Fail(r, v, err)
	}
	err = h.forwarder.RunNext(r, v, next)
	v.Close()
	return err
}

// identify says who is calling. A path that cannot be judged is refused here,
// before a credential is read; a dead cookie is cleared.
func (h *Handler) identify(w http.ResponseWriter, r *http.Request, v *exchange.Exchange) (authenticator.Outcome, authenticator.Source) {
	h.warnTwice(v)
	if v.Shared.Restore(r.Header) {
		v.Request.ClassifyHeaders()
	}
	if refused := refusedUnread(v); refused != nil {
		return *refused, authenticator.Source{}
	}
	if outcome, refused := h.chain.RefuseOrigin(r, v.Request.Readings(), h.namesOrigin); refused {
		return outcome, authenticator.Source{}
	}
	known := h.chain.Identify(r, h.InsecureHTTP || v.Request.Secure())
	v.Request.SetForeignBearer(known.ForeignBearer)
	if known.Verdict == authenticator.Absent && known.Source.Cookie != "" {
		authn.DeleteCookie(w, known.Source, v.Request.Scheme() == "https")
	}
	return known.Outcome, known.Source
}

// namesOrigin reports whether the site's cors block lets scripts of an origin call.
func (h *Handler) namesOrigin(origin string) bool { return h.cors != nil && h.cors.Names(origin) }

// refusedUnread returns the outcome of a request that is refused for every caller,
// or nil.
func refusedUnread(v *exchange.Exchange) *authenticator.Outcome {
	if v.Request.UpgradeRefused() {
		return &authenticator.Outcome{Verdict: authenticator.Malformed, Reason: authenticator.ReasonUpgradeRefused}
	}
	if flag := v.Request.RejectedFlag(); flag != "" {
		return &authenticator.Outcome{
			Verdict: authenticator.Malformed, Reason: authenticator.ReasonPathAmbiguous,
			Details: []authenticator.Detail{{Name: "path_flag", Value: string(flag)}},
		}
	}
	return nil
}

// warnTwice tells the operator, once, that requests pass two handlers.
func (h *Handler) warnTwice(v *exchange.Exchange) {
	v.Shared.Handlers++
	if v.Shared.Handlers > 1 {
		h.twice.Do(func() {
			h.logger.Warn("a request was judged by two policy_auth handlers; both must allow it")
		})
	}
}

// decide asks the policies, also for anonymous callers: public is a rule and
// not a bypass. A credential that failed is refused without asking.
func (h *Handler) decide(r *http.Request, v *exchange.Exchange, outcome *authenticator.Outcome) policy.Decision {
	if outcome.Verdict != authenticator.Accepted && outcome.Verdict != authenticator.Absent {
		return policy.Decision{}.DeniedFor(outcome.Reason, outcome.Err)
	}
	defer v.Request.DropBody()
	in := h.input(v, outcome)
	decision := h.policies.Decide(r.Context(), in)
	observe.Decision(h.decisions, func() (any, bool) { return h.policies.Entry(r.Context(), in, decision) })
	if !decision.Allow {
		return decision
	}
	if v.Request.HidesParameter(decision.QueryToRemove) || v.Request.HidesParameter(slices.Collect(maps.Keys(decision.QueryToSet))) {
		return decision.DeniedFor(authenticator.ReasonPathAmbiguous, nil)
	}
	if err := h.headers.Check(decision.Headers, decision.RequestHeadersToRemove); err != nil {
		return decision.DeniedFor(authenticator.ReasonPolicyError, err)
	}
	return decision
}

// input is what policies are asked about.
func (h *Handler) input(v *exchange.Exchange, outcome *authenticator.Outcome) policy.Input {
	in := policy.Input{Request: &v.Request, Identity: caller(outcome), Config: h.config, Body: h.body}
	if outcome.Verdict == authenticator.Absent {
		in.Failure = outcome.Reason
	}
	return in
}

// caller returns the identity of an outcome: anonymous unless it was accepted.
func caller(outcome *authenticator.Outcome) *authenticator.Identity {
	if outcome.Verdict == authenticator.Accepted {
		return outcome.Identity
	}
	return authenticator.Anonymous()
}

// record chooses the status of a refusal and tells the operator what was decided.
func (h *Handler) record(r *http.Request, v *exchange.Exchange, outcome authenticator.Outcome, decision policy.Decision) {
	v.Event = h.event(r, v, &outcome, &decision)
	v.Event.Admin = h.admin
	h.desk.Choose(r, v, decision)
	h.desk.Remember(v, h.input(v, &outcome), decision)
	observe.Log(h.logger, &v.Event)
	*v.Result = v.Event.Result()
	h.show(r, v)
	observe.CountDenied(&v.Event)
}

// recordAllowed tells the operator of an allowed request. The log's line, at debug, is
// made only if it is written.
func (h *Handler) recordAllowed(r *http.Request, v *exchange.Exchange, outcome *authenticator.Outcome, decision *policy.Decision) {
	if h.logger.Core().Enabled(zapcore.DebugLevel) {
		event := h.event(r, v, outcome, decision)
		observe.Log(h.logger, &event)
	}
	*v.Result = observe.Allowed(caller(outcome), outcome.Method, decision.Revision, decision.Metadata)
	h.show(r, v)
	observe.CountAllowed(outcome.Verdict, outcome.Method, decision.Elapsed, string(decision.Cached))
}

// event returns what is logged of a decision.
func (h *Handler) event(r *http.Request, v *exchange.Exchange, outcome *authenticator.Outcome, decision *policy.Decision) observe.Event {
	return observe.Event{
		RequestID: v.ID, Allowed: decision.Allow, Reason: decision.Reason, Codes: decision.Codes,
		Outcome: *outcome, Identity: caller(outcome), Labels: decision.Labels, Vars: decision.Metadata, Revision: decision.Revision,
		Err: decision.Err, HTTPMethod: r.Method, Host: r.Host, Path: v.Request.Readings()[0].Path,
		ClientIP: v.Request.ClientIP(), Elapsed: decision.Elapsed, Cached: string(decision.Cached),
	}
}

// show makes the result the one that the access log and placeholders tell.
func (h *Handler) show(r *http.Request, v *exchange.Exchange) {
	observe.AccessLog(r, v.Result)
	v.Shared.Placeholders.Show(v.Replacer, v.Result)
}
