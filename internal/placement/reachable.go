package placement

import (
	"bytes"
	"context"
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/internal/login"
)

// Remedy tells where to put policy_auth so that its sign-in page is reachable.
const Remedy = "put policy_auth where the site's requests for /.policy_auth/* reach it, outside of handle and route blocks for a part of the site, and give it a matcher instead: policy_auth /admin* { … }"

// WarnUnreachable logs a warning if the routes that lead to the handler that is being
// provisioned keep requests for its sign-in page from it.
func WarnUnreachable(ctx caddy.Context, logger *zap.Logger) {
	if unreachable(ctx) {
		logger.Warn("the sign-in page cannot be reached: the routes around this policy_auth do not pass its path to it; unless another policy_auth serves it, signing in fails; "+Remedy, zap.String("path", login.LoginPath))
	}
}

// unreachable reports whether the path matchers of the routes that lead to the handler
// exclude the sign-in page: handle /admin* { policy_auth { login … } } does.
func unreachable(ctx caddy.Context) bool {
	for _, module := range ctx.Modules() {
		switch m := module.(type) {
		case *caddyhttp.App:
			if current := currentOf(m); len(current) > 0 && !anyPasses(current) {
				return true
			}
		case *caddyhttp.Subroute:
			if route := current(m.Routes); route != nil && !passes(route.MatcherSets) {
				return true
			}
		}
	}
	return false
}

// currentOf returns the route of each server that may be the one that is being
// provisioned: nothing says which server it is.
func currentOf(app *caddyhttp.App) (routes []*caddyhttp.Route) {
	for _, server := range app.Servers {
		if route := current(server.Routes); route != nil && hasOurs(route) {
			routes = append(routes, route)
		}
	}
	return routes
}

func hasOurs(route *caddyhttp.Route) bool {
	for _, raw := range route.HandlersRaw {
		if bytes.Contains(raw, []byte(`"policy_auth"`)) {
			return true
		}
	}
	return false
}

// current returns the route whose handlers are being provisioned: the first that
// has none yet. Matchers are there before.
func current(routes caddyhttp.RouteList) *caddyhttp.Route {
	for i := range routes {
		if len(routes[i].Handlers) == 0 && len(routes[i].HandlersRaw) > 0 {
			return &routes[i]
		}
	}
	return nil
}

func anyPasses(routes []*caddyhttp.Route) bool {
	for _, route := range routes {
		if passes(route.MatcherSets) {
			return true
		}
	}
	return false
}

// passes reports whether the paths of any matcher set name the sign-in page.
// Other matchers are not asked.
func passes(sets caddyhttp.MatcherSets) bool {
	if len(sets) == 0 {
		return true
	}
	r, err := http.NewRequest(http.MethodGet, login.LoginPath, nil)
	if err != nil {
		return true
	}
	r = r.WithContext(context.WithValue(context.Background(), caddy.ReplacerCtxKey, caddy.NewReplacer()))
	for _, set := range sets {
		named := true
		for _, matcher := range set {
			switch paths := matcher.(type) {
			case caddyhttp.MatchPath, *caddyhttp.MatchPath:
				matched, err := paths.(caddyhttp.RequestMatcherWithError).MatchWithError(r)
				named = named && (matched || err != nil)
			}
		}
		if named {
			return true
		}
	}
	return false
}
