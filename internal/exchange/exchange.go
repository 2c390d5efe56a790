// Package visit is what the steps of one request share: what the web server
// knows of it, the answer on its way out, what was decided, and what other
// policy_auth handlers on its way have done.
package exchange

import (
	"net"
	"net/http"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/observe"
	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/respheader"
	"github.com/policyauth/caddy-policy-auth/internal/upstream"
)

// Exchange is one request before one handler. Its memory is used again for another request
// once it is closed; what lives longer is apart.
type Exchange struct {
	// Replacer replaces the request's placeholders.
	Replacer *caddy.Replacer
	// Shared is shared with the handlers before and after this one.
	Shared *Shared
	// Request is the request as policies see it.
	Request request.Request
	// ID returns the request's id.
	ID func() string
	// Response is the next handler's answer.
	Response *respheader.HeaderWriter
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
	rail    respheader.HeaderWriter
	result  observe.Result
	journey Shared // of the first handler on the way
}

// visits are those that are closed.
var visits = sync.Pool{New: func() any {
	v := new(Exchange)
	v.ID = v.readID
	return v
}}

// Shared is what the policy_auth handlers on one request's way share.
type Shared struct {
	upstream.ConsumedCredentials
	// Shown are the placeholders, which tell of the latest decision.
	Shown observe.Placeholders
}

// readID returns the request's id, which Caddy makes and logs when it is first read.
func (v *Exchange) readID() string {
	if v.id == "" {
		v.id, _ = v.Replacer.GetString("http.request.uuid")
	}
	return v.id
}

// journeyVar is the request variable that holds the request's journey.
const journeyVar = "policy_auth"

// Open gathers what the web server knows of the request.
func Open(w http.ResponseWriter, r *http.Request, reading *request.Config) *Exchange {
	v, _ := visits.Get().(*Exchange)
	last := new(lasting)
	v.Response, v.Result = &last.rail, &last.result
	v.Response.Wrap(w)
	v.Replacer, _ = r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	vars, _ := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	if v.Shared, _ = vars[journeyVar].(*Shared); v.Shared == nil {
		v.Shared = &last.journey
		if vars != nil {
			vars[journeyVar] = v.Shared
		}
	}
	facts := request.Facts{ID: v.ID, Writer: w, Cut: v.Shared.Cut()}
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
func (v *Exchange) Close() {
	*v = Exchange{ID: v.ID}
	visits.Put(v)
}
