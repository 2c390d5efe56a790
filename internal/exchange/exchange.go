// Package exchange holds the state of one request and its response that the steps of
// the handler share: the facts that Caddy knows of the request, the response on its way
// out, the decision, and what other policy_auth handlers did to the same request.
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
)

// Exchange is one request as one handler processes it. Close returns its memory to a
// pool; state that outlives the handler is in a separate allocation.
type Exchange struct {
	// Replacer replaces the request's placeholders.
	Replacer *caddy.Replacer
	// Shared is the state that this handler shares with those before and after it.
	Shared *Shared
	// Request is the request as policies see it.
	Request request.Request
	// ID returns the request's id.
	ID func() string
	// Response is the next handler's response.
	Response *respheader.HeaderWriter
	// Summary is the part of the result that the access log and placeholders show later.
	Summary *observe.Summary
	// IdentityJWT is the JWT that tells the upstream who is calling, or "".
	IdentityJWT string
	// Session says how the request uses its session, and has the provider's token for
	// the upstream.
	Session authn.SessionUse

	id string // set by the first call of ID
}

// outliving is the state that other code may use after the handler has returned:
// handlers before it, the access log, and writers of the response. It is one allocation.
type outliving struct {
	response respheader.HeaderWriter
	summary  observe.Summary
	shared   Shared // of the first policy_auth handler of the request
}

// exchanges is the pool of closed exchanges.
var exchanges = sync.Pool{New: func() any {
	ex := new(Exchange)
	ex.ID = ex.readID
	return ex
}}

// readID returns the request's id, which Caddy makes and logs when it is first read.
func (ex *Exchange) readID() string {
	if ex.id == "" {
		ex.id, _ = ex.Replacer.GetString("http.request.uuid")
	}
	return ex.id
}

// HTTPS reports whether the client uses HTTPS, to this server or to a trusted proxy.
func (ex *Exchange) HTTPS() bool { return ex.Request.Scheme() == "https" }

// sharedKey is the request variable that holds the Shared.
const sharedKey = "policy_auth"

// Open gathers the facts that Caddy knows of the request.
func Open(w http.ResponseWriter, r *http.Request, config *request.Config) *Exchange {
	ex, _ := exchanges.Get().(*Exchange)
	kept := new(outliving)
	ex.Response, ex.Summary = &kept.response, &kept.summary
	ex.Response.Wrap(w)
	ex.Replacer, _ = r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	vars, _ := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	if ex.Shared, _ = vars[sharedKey].(*Shared); ex.Shared == nil {
		ex.Shared = &kept.shared
		if vars != nil {
			vars[sharedKey] = ex.Shared
		}
	}
	facts := request.Metadata{ID: ex.ID, Writer: w, StrippedQuery: ex.Shared.CutQuery()}
	if original, rewritten := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); rewritten {
		facts.Method, facts.URL, facts.RequestURI = original.Method, original.URL, original.RequestURI
	}
	facts.ClientIP, _ = vars[caddyhttp.ClientIPVarKey].(string)
	facts.TrustedProxy, _ = vars[caddyhttp.TrustedProxyVarKey].(bool)
	facts.PeerIP, _, _ = net.SplitHostPort(r.RemoteAddr)
	ex.Request.Init(r, facts, config)
	return ex
}

// Close returns the memory to the pool. Call it only for requests that are answered and
// not denied: an explanation may still read a denied one.
func (ex *Exchange) Close() {
	*ex = Exchange{ID: ex.ID}
	exchanges.Put(ex)
}
