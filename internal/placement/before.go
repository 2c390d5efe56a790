// Package placement checks where a configuration puts policy_auth among the routes of its
// server: handlers that answer every request before it, routes that keep its sign-in page
// unreachable, and hosts that its session cookie does not cover. It only warns or refuses
// if the routes prove the mistake.
package placement

import (
	"bytes"
	"encoding/json"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// remedyBefore tells how to put policy_auth before the handlers that it protects.
const remedyBefore = "put policy_auth first in the route block; elsewhere Caddy sorts the directives, and redir comes before policy_auth: give redir a matcher, or write both in a route block"

// WarnAnsweredBefore logs a warning if another handler answers every request before it
// reaches the handler that is being provisioned.
func WarnAnsweredBefore(ctx caddy.Context, logger *zap.Logger) {
	if name := answeredBefore(ctx); name != "" {
		logger.Warn("policy_auth protects nothing here: another handler without a matcher answers every request before it; "+remedyBefore, zap.String("handler", name))
	}
}

// answeredBefore returns the name of a handler that answers every request before it
// reaches the handler that is being provisioned, or "" if the routes do not prove that
// there is one. Only handlers without a matcher count.
func answeredBefore(ctx caddy.Context) string {
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		if route := current(server.Routes); route != nil && hasOurs(route) {
			if name := answerBefore(server.Routes, route); name != "" {
				return name
			}
		}
	}
	for _, module := range ctx.Modules() {
		if m, ok := module.(*caddyhttp.Subroute); ok {
			if name := answerBefore(m.Routes, current(m.Routes)); name != "" {
				return name
			}
		}
	}
	return ""
}

// answerBefore returns the handler that answers every request before ours, which is
// in a route of a list.
func answerBefore(routes caddyhttp.RouteList, ours *caddyhttp.Route) string {
	if ours == nil {
		return ""
	}
	for i := range routes {
		if &routes[i] == ours {
			break
		}
		if name := answerOf(&routes[i]); name != "" {
			return name
		}
	}
	for _, raw := range ours.HandlersRaw {
		if bytes.Contains(raw, []byte(`"policy_auth"`)) {
			return "" // ours, or what leads to it
		}
		if name := answerOfRaw("", raw); name != "" {
			return name
		}
	}
	return ""
}

// answerOf returns the handler of a route that answers every request, or "".
func answerOf(route *caddyhttp.Route) string {
	if len(route.MatcherSets) > 0 || len(route.MatcherSetsRaw) > 0 || route.Group != "" {
		return ""
	}
	for _, raw := range route.HandlersRaw {
		if name := answerOfRaw("", raw); name != "" {
			return name
		}
	}
	for _, handler := range route.Handlers {
		if name := answerOfHandler(handler); name != "" {
			return name
		}
	}
	return ""
}

// answerOfHandler returns what answers every request in a handler that is provisioned.
func answerOfHandler(handler caddyhttp.MiddlewareHandler) string {
	if sub, ok := handler.(*caddyhttp.Subroute); ok {
		return firstAnswer(sub.Routes)
	}
	module, ok := handler.(caddy.Module)
	if !ok {
		return ""
	}
	raw, err := json.Marshal(handler)
	if err != nil {
		return ""
	}
	return answerOfRaw(module.CaddyModule().ID.Name(), raw)
}

func firstAnswer(routes caddyhttp.RouteList) string {
	for i := range routes {
		if name := answerOf(&routes[i]); name != "" {
			return name
		}
	}
	return ""
}

// answerOfRaw returns what answers every request in a handler as it is configured.
// Its name is in raw unless it is known.
func answerOfRaw(name string, raw []byte) string {
	var handler struct {
		Name           string               `json:"handler"`
		StatusCode     caddyhttp.WeakString `json:"status_code"`
		PassThru       bool                 `json:"pass_thru"`
		HandleResponse []json.RawMessage    `json:"handle_response"`
		Routes         caddyhttp.RouteList  `json:"routes"`
	}
	if json.Unmarshal(raw, &handler) != nil {
		return ""
	}
	if name == "" {
		name = handler.Name
	}
	switch {
	case name == "subroute":
		return firstAnswer(handler.Routes)
	case name == "static_response" && handler.StatusCode != "103", // early hints go before the answer
		name == "file_server" && !handler.PassThru,
		name == "reverse_proxy" && len(handler.HandleResponse) == 0: // forward_auth has some and goes on
		return name
	}
	return ""
}
