// Package visit is what the steps of one request share: what the web server
// knows of it, the answer on its way out, what was decided, and what other
// policy_auth handlers on its way have done.
package visit

import (
	"net"
	"net/http"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/observe"
	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/response"
	"github.com/policyauth/caddy-policy-auth/internal/upstream"
)

// Visit is one request before one handler. Its memory is used again for another request
// once it is closed; what lives longer is apart.
type Visit struct {
	// Replacer replaces the request's placeholders.
	Replacer *caddy.Replacer
	// Journey is shared with the handlers before and after this one.
	Journey *Journey
	// Request is the request as policies see it.
	Request request.Request
	// ID returns the request's id.
	ID func() string
	// Rail is the next handler's answer.
	Rail *response.Rail
	// Event is what was decided, and Result what is shown of it later.
	Event  observe.Event
	Result *observe.Result
	// Unread is set for a denied request of an anonymous caller.
	Unread authn.Unread

	id string // once it was read
}

// lasting is what other code may use after the handler has returned: handlers before it,
// the access log, and what still writes the answer. It is one piece of memory.
type lasting struct {
	rail    response.Rail
	result  observe.Result
	journey Journey // of the first handler on the way
}

// visits are those that are closed.
var visits = sync.Pool{New: func() any {
	v := new(Visit)
	v.ID = v.readID
	return v
}}

// Journey is what the policy_auth handlers on one request's way share.
type Journey struct {
	upstream.Passage
	// Shown are the placeholders, which tell of the latest decision.
	Shown observe.Placeholders
}

// readID returns the request's id, which Caddy makes and logs when it is first read.
func (v *Visit) readID() string {
	if v.id == "" {
		v.id, _ = v.Replacer.GetString("http.request.uuid")
	}
	return v.id
}

// journeyVar is the request variable that holds the request's journey.
const journeyVar = "policy_auth"

// Open gathers what the web server knows of the request.
func Open(w http.ResponseWriter, r *http.Request, reading *request.Config) *Visit {
	v, _ := visits.Get().(*Visit)
	last := new(lasting)
	v.Rail, v.Result = &last.rail, &last.result
	v.Rail.Wrap(w)
	v.Replacer, _ = r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	vars, _ := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	if v.Journey, _ = vars[journeyVar].(*Journey); v.Journey == nil {
		v.Journey = &last.journey
		if vars != nil {
			vars[journeyVar] = v.Journey
		}
	}
	facts := request.Facts{ID: v.ID, Writer: w, Cut: v.Journey.Cut()}
	if original, rewritten := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); rewritten {
		facts.Method, facts.URL, facts.RequestURI = original.Method, original.URL, original.RequestURI
	}
	facts.ClientIP, _ = vars[caddyhttp.ClientIPVarKey].(string)
	facts.TrustedProxy, _ = vars[caddyhttp.TrustedProxyVarKey].(bool)
	facts.PeerIP, _, _ = net.SplitHostPort(r.RemoteAddr)
	v.Request.Open(r, facts, reading)
	return v
}

// Close lets the memory be used for another request. It is for requests that are answered
// and not denied: explanations may still read a denied one.
func (v *Visit) Close() {
	*v = Visit{ID: v.ID}
	visits.Put(v)
}
