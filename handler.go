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
	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/observe"
	"github.com/policyauth/caddy-policy-auth/internal/ops"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/question"
	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/response"
	"github.com/policyauth/caddy-policy-auth/internal/upstream"
)

// ServeHTTP is the straight line of a request: open, metadata, cors, sign-in pages, strip,
// identify, decide, record, and allow or deny. The next handler runs if and only if the
// request is not the handler's to judge or a policy allowed it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	v := h.open(w, r)
	if h.chain.ServeMetadata(w, r, v.request.URL().EscapedPath()) {
		return nil
	}
	switch h.preflight(w, r) {
	case cors.Answered:
		return nil
	case cors.Pass:
		return h.pass(w, r, v, next)
	}
	h.guard(w, v)
	if h.signsIn(w, r, v) {
		return nil
	}
	h.headers.Strip(r, &v.journey.Passage, v.request.TrustedProxy())
	if judged, err := h.matches(r, v); err != nil || !judged {
		return h.unjudged(r, v, next, err)
	}
	outcome, place := h.identify(w, r, v)
	decision := h.decide(r, v, outcome)
	event := h.record(r, v, outcome, decision)
	if event.Allowed {
		return h.allow(r, v, place, event, decision, next)
	}
	return h.deny(w, r, v, event, decision)
}

// visit is what the steps of one request share.
// All of it is one piece of memory, which lives as long as anybody may ask for
// what was decided, such as the access log.
type visit struct {
	repl    *caddy.Replacer
	journey *journey
	request request.Request
	id      func() string
	rail    response.Rail // the next handler's answer
	event   observe.Event
	first   journey // of the first handler on the way
}

// journey is what the policy_auth handlers on one request's way share.
type journey struct {
	upstream.Passage
	shown observe.Placeholders
}

// readID returns the request's id, which Caddy makes and logs when it is first read.
func (v *visit) readID() string {
	id, _ := v.repl.GetString("http.request.uuid")
	return id
}

// journeyVar is the request variable that holds the request's journey.
const journeyVar = "policy_auth"

// open gathers what the web server knows of the request.
func (h *Handler) open(w http.ResponseWriter, r *http.Request) *visit {
	v := &visit{}
	v.id = v.readID
	v.rail.Wrap(w)
	v.repl, _ = r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	vars, _ := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	if v.journey, _ = vars[journeyVar].(*journey); v.journey == nil {
		v.journey = &v.first
		caddyhttp.SetVar(r.Context(), journeyVar, v.journey)
	}
	facts := request.Facts{ID: v.id, Time: time.Now()}
	if original, rewritten := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); rewritten {
		facts.Method, facts.URL, facts.RequestURI = original.Method, original.URL, original.RequestURI
	}
	facts.ClientIP, _ = vars[caddyhttp.ClientIPVarKey].(string)
	facts.TrustedProxy, _ = vars[caddyhttp.TrustedProxyVarKey].(bool)
	facts.PeerIP, _, _ = net.SplitHostPort(r.RemoteAddr)
	v.request.Open(r, facts, &h.reading)
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
func (h *Handler) guard(w http.ResponseWriter, v *visit) {
	if h.cors == nil {
		return
	}
	if correct := h.cors.Guard(w.Header()); correct != nil {
		v.rail.Add(correct)
	}
}

// signsIn answers a request for one of the site's own pages of signing in and out.
func (h *Handler) signsIn(w http.ResponseWriter, r *http.Request, v *visit) bool {
	path := v.request.URL().EscapedPath()
	if !h.site.Owns(path) {
		return false
	}
	asked := r.WithContext(r.Context())
	asked.URL = v.request.URL() // as it was before any rewrite
	return h.site.Serve(&login.Visit{
		W: w, R: asked, Path: path, HTTPS: v.request.Scheme() == "https", Secure: h.InsecureHTTP || v.request.Secure(),
		Client: v.request.ClientAddr(), RequestID: v.id(),
	})
}

// reportSignIn tells the operator of a sign-in or sign-out.
func (h *Handler) reportSignIn(r *http.Request, e login.Event) {
	observe.LogSignIn(h.logger, observe.SignIn{
		Message: string(e.Kind), Login: e.Login, Refused: e.Kind == login.Failed, Status: e.Status, Reason: e.Reason, Identity: e.Identity,
		Candidate: e.Candidate, Details: e.Details, Err: e.Err, RequestID: e.RequestID, Host: r.Host, ClientIP: e.Client.String(),
	})
}

// pass hands a preflight to the upstream, without any credential.
func (h *Handler) pass(w http.ResponseWriter, r *http.Request, v *visit, next caddyhttp.Handler) error {
	h.headers.Strip(r, &v.journey.Passage, v.request.TrustedProxy())
	upstream.Withdraw(r.Header, h.chain.Headers())
	return next.ServeHTTP(w, r)
}

// matches reports whether the request is one to authenticate and judge: in any
// reading of its path, so that no spelling slips past a path matcher, and
// always if there is none to go by.
func (h *Handler) matches(r *http.Request, v *visit) (bool, error) {
	if h.matchers == nil || v.request.Unreadable() {
		return true, nil
	}
	readings := v.request.Readings()
	matched, err := h.matchers.AnyMatchWithError(r)
	if matched || err != nil || len(readings) == 1 {
		return matched, err
	}
	asked := r.URL
	defer func() { r.URL = asked }()
	for _, reading := range readings {
		read := *asked
		read.Path, read.RawPath = reading.Path, ""
		r.URL = &read
		if matched, err := h.matchers.AnyMatchWithError(r); matched || err != nil {
			return matched, err
		}
	}
	return false, nil
}

// unjudged lets a request pass that the matcher does not name; a matcher that
// failed lets nobody pass.
func (h *Handler) unjudged(r *http.Request, v *visit, next caddyhttp.Handler, err error) error {
	if err != nil {
		h.pages.Prepare(v.rail.Header(), denial.Refusal{Status: http.StatusInternalServerError, RequestID: v.id(), MaxAge: -1})
		return refused(r, http.StatusInternalServerError, err.Error())
	}
	return h.forward(r, v, next)
}

// forward runs the next handler. What an error route then answers is corrected
// like the handler's own answer.
func (h *Handler) forward(r *http.Request, v *visit, next caddyhttp.Handler) error {
	if !h.ForwardCredentials {
		v.journey.TakeCookies(r.Header, h.cookies...) // also beside another credential, or where nobody is asked who they are
	}
	v.journey.Withhold(r.Header) // what an earlier handler took stays taken
	err := next.ServeHTTP(v.rail.Writer(), r)
	if err != nil {
		v.rail.Correct()
	}
	return err
}

// identify says who is calling. A path that cannot be judged is refused here,
// before a credential is read; a dead cookie is cleared.
func (h *Handler) identify(w http.ResponseWriter, r *http.Request, v *visit) (identity.Outcome, authn.Place) {
	h.warnTwice(v)
	v.journey.Restore(r.Header)
	if flag := v.request.Refused(); flag != "" {
		return identity.Outcome{
			Verdict: identity.Malformed, Reason: identity.ReasonPathAmbiguous,
			Details: []identity.Detail{{Name: "path_flag", Value: string(flag)}},
		}, authn.Place{}
	}
	outcome, place := h.chain.Identify(r, h.InsecureHTTP || v.request.Secure())
	if outcome.Verdict == identity.Absent && place.Cookie() != "" {
		place.Clear(w, v.request.Scheme() == "https")
	}
	return outcome, place
}

// warnTwice tells the operator, once, that requests pass two handlers.
func (h *Handler) warnTwice(v *visit) {
	v.journey.Handlers++
	if v.journey.Handlers > 1 {
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
	in := h.input(v, caller(outcome), failure)
	decision := h.policies.Decide(r.Context(), in)
	observe.Decision(h.decisions, func() (any, bool) { return h.policies.Entry(r.Context(), in, decision) })
	if !decision.Allow {
		return decision
	}
	if err := h.headers.Check(decision.Headers, decision.RequestHeadersToRemove); err != nil {
		return policy.Decision{Reason: identity.ReasonPolicyError, Revision: decision.Revision, Err: err, Elapsed: decision.Elapsed, Cached: decision.Cached}
	}
	return decision
}

// input is what policies are asked about.
func (h *Handler) input(v *visit, caller *identity.Identity, failure identity.Reason) policy.Input {
	return policy.Input{Request: &v.request, Identity: caller, Failure: failure, Config: h.config, MaxBody: h.maxBody}
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
	event := &v.event
	*event = observe.Event{
		RequestID: v.id, Allowed: decision.Allow, Reason: decision.Reason, Codes: decision.Codes,
		Outcome: outcome, Identity: caller(outcome), Labels: decision.Labels, Vars: decision.Metadata, Revision: decision.Revision,
		Err: decision.Err, HTTPMethod: r.Method, Host: r.Host, Path: v.request.Readings()[0].Path,
		ClientIP: v.request.ClientIP(), Elapsed: decision.Elapsed, Cached: string(decision.Cached),
	}
	if !event.Allowed {
		event.Reason, event.Status = denial.Choose(h.refusalCase(r, v, event, decision))
		event.Hint = h.hint(r, event.Reason)
		h.remember(v, event, decision)
	}
	observe.Log(h.logger, event)
	observe.AccessLog(r, event)
	v.journey.shown.Show(v.repl, event)
	observe.Count(event)
	return event
}

// remember keeps a refused request for explanations, without credentials.
func (h *Handler) remember(v *visit, event *observe.Event, decision policy.Decision) {
	refusal := question.Refusal{
		ID: v.id(), Time: v.request.Time(), Status: event.Status, Reason: event.Reason, Codes: event.Codes, Rule: event.Labels["rule"],
		Method: event.Outcome.Method, Candidate: event.Outcome.Candidate, Details: details(event.Outcome.Details), UserID: event.Identity.ID, Issuer: event.Identity.Issuer,
		Judged: event.Revision != "", Set: h.policies.ID(), Revision: event.Revision,
		HTTPMethod: event.HTTPMethod, Host: event.Host, Path: event.Path, ClientIP: event.ClientIP,
	}
	if event.Err != nil {
		refusal.Error = event.Err.Error()
	}
	failure := identity.ReasonNone
	if event.Outcome.Verdict == identity.Absent {
		failure = event.Outcome.Reason
	}
	var err error
	if refusal.Input, refusal.Cut, err = h.policies.Record(h.input(v, event.Identity, failure), decision); err != nil {
		h.logger.Debug("a refused request cannot be kept for explanations", zap.String("request_id", v.id()), zap.Error(err))
	}
	ops.Remember(refusal)
}

// details returns facts about a refusal by their names.
func details(facts []identity.Detail) map[string]string {
	if len(facts) == 0 {
		return nil
	}
	named := make(map[string]string, len(facts))
	for _, fact := range facts {
		named[fact.Name] = fact.Value
	}
	return named
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
func (h *Handler) refusalCase(r *http.Request, v *visit, event *observe.Event, decision policy.Decision) denial.Case {
	c := denial.Case{
		Outcome: event.Outcome, Reason: decision.Reason, Status: decision.Status,
		Challenged: h.chain.Challenged() || h.door != nil, Conceal: h.Conceal,
		SignIn: h.offersSignIn(r, v, event, decision),
	}
	c.Navigation = c.SignIn && denial.IsNavigation(r)
	if decision.Redirect != nil {
		c.Status = decision.Redirect.Status
	}
	if wanted := decision.Challenge; wanted != nil {
		c.StepUp, c.Scopes = stepsUp(wanted), len(wanted.Scopes) > 0
	}
	return c
}

// offersSignIn reports whether signing in elsewhere may help: an anonymous
// caller unless the policy says otherwise, a known one if it says so.
func (h *Handler) offersSignIn(r *http.Request, v *visit, event *observe.Event, decision policy.Decision) bool {
	said := decision.Login
	switch {
	case h.door == nil, said != nil && !said.Offered, h.door.Is(r.Host, v.request.URL().EscapedPath()):
		return false
	case event.Outcome.Verdict == identity.Accepted:
		return said != nil || h.session != nil && event.Outcome.Method == "session" && stepsUp(decision.Challenge)
	}
	return event.Outcome.Verdict == identity.Absent && login.Helps(event.Outcome.Reason)
}

// loginURL returns where the refused may sign in to come back, or "".
func (h *Handler) loginURL(r *http.Request, v *visit, event *observe.Event, decision policy.Decision) string {
	if h.door == nil || event.Status != http.StatusUnauthorized && event.Status != http.StatusSeeOther || decision.Login != nil && !decision.Login.Offered {
		return ""
	}
	var name string
	if decision.Login != nil {
		name = decision.Login.Name
	}
	returnTo := login.ReturnTo(r, v.request.URL(), v.request.Scheme(), denial.IsNavigation(r), h.chain.Parameters())
	var more url.Values
	if wanted := decision.Challenge; stepsUp(wanted) {
		more = login.StepUp(wanted.ACRValues, wanted.MaxAge)
	}
	return h.door.URL(returnTo, name, more)
}

// stepsUp reports whether a policy wants a stronger or fresher sign-in.
func stepsUp(wanted *policy.Challenge) bool {
	return wanted != nil && (len(wanted.ACRValues) > 0 || wanted.MaxAge >= 0)
}

// allow tells the next handler who is calling and takes away the credential
// that was meant for us.
func (h *Handler) allow(r *http.Request, v *visit, place authn.Place, event *observe.Event, decision policy.Decision, next caddyhttp.Handler) error {
	if !h.ForwardCredentials {
		h.take(r, v, place)
	}
	if leftOut := h.headers.Set(r, event.Identity, &v.journey.Passage); len(leftOut) > 0 {
		h.logger.Warn("identity headers left out: their value cannot stand in a header",
			zap.String("request_id", v.id()), zap.Strings("headers", leftOut), zap.String("user_id", event.Identity.ID))
	}
	upstream.Apply(r, decision.Headers, decision.RequestHeadersToRemove)
	upstream.Query(r, decision.QueryToRemove, decision.QueryToSet)
	upstream.AddResponse(v.rail.Header(), decision.ResponseHeadersToAdd)
	h.keepPrivate(v, place, event)
	if hold := event.Outcome.Hold; hold != nil {
		defer hold()()
	}
	err := h.forward(r, v, next)
	if h.Conceal && isNotFound(err) {
		return h.notFound(v.rail.ResponseWriter, r, v)
	}
	return err
}

// take takes the credential that was meant for us out of the request.
func (h *Handler) take(r *http.Request, v *visit, place authn.Place) {
	switch {
	case place.Cookie() != "":
		v.journey.TakeCookies(r.Header, place.Cookie())
	case place.Query() != "":
		upstream.Query(r, []string{place.Query()}, nil)
	default:
		v.journey.Take(r.Header, place.Header())
	}
	v.journey.Withhold(r.Header)
}

// keepPrivate keeps shared caches from handing one caller's answer to another.
// Those that Authorization protects by itself (RFC 9111, section 3.5) are left
// as they are; the operator is told if the upstream gives them away.
func (h *Handler) keepPrivate(v *visit, place authn.Place, event *observe.Event) {
	switch {
	case !event.Identity.Authenticated:
	case place.Query() != "":
		v.rail.Add(response.Private("", false)) // RFC 6750, section 2.3
	case place.Header() != "Authorization":
		v.rail.Add(response.Private(place.Header(), h.SharedCache))
	case !h.SharedCache:
		v.rail.Add(h.warnShareable)
	}
}

// deny answers a refused request.
func (h *Handler) deny(w http.ResponseWriter, r *http.Request, v *visit, event *observe.Event, decision policy.Decision) error {
	denial.HangUp(w.Header(), r)
	if event.Status == http.StatusNotFound && h.Conceal {
		return h.notFound(w, r, v)
	}
	if to := decision.Redirect; to != nil && to.Status == event.Status {
		upstream.AddResponse(w.Header(), decision.Headers)
		w.Header().Set("X-Request-Id", v.id())
		denial.Redirect(w, to.To, to.Status)
		return nil
	}
	refusal := h.refusal(r, v, event, decision)
	if event.Status == http.StatusSeeOther {
		w.Header().Set("X-Request-Id", v.id())
		denial.SignIn(w, refusal.LoginURL)
		return nil
	}
	if h.errorPages().Mode == "delegate" {
		h.pages.Prepare(w.Header(), refusal)
		return refused(r, event.Status, string(event.Reason))
	}
	_ = h.pages.Write(w, r, refusal) // it fails only if nobody is there any more
	return nil
}

// refusal gathers what the refused are told.
func (h *Handler) refusal(r *http.Request, v *visit, event *observe.Event, decision policy.Decision) denial.Refusal {
	demand := identity.Demand{Method: event.Outcome.Method, Verdict: event.Outcome.Verdict, Reason: event.Reason, MaxAge: -1}
	if c := decision.Challenge; c != nil && event.Identity.Authenticated {
		demand.Scopes, demand.ACRValues, demand.MaxAge = c.Scopes, c.ACRValues, c.MaxAge
	}
	return denial.Refusal{
		Status: event.Status, Reason: event.Reason, Codes: event.Codes, LoginURL: h.loginURL(r, v, event, decision),
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
		u.Path, u.RawPath, u.Opaque = refusedPath, "", ""
	}
	return caddyhttp.Error(status, errors.New(why))
}
