package placement

import (
	"encoding/json"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// WarnErrorRoutes logs a warning if the error routes of the site answer with a status of
// their own, so that a denial may become 2xx, which forward_auth and auth_request in front
// take for allowed (S-01).
func WarnErrorRoutes(ctx caddy.Context, logger *zap.Logger) {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server.Errors == nil {
		return
	}
	if name := ownStatus(server.Errors.Routes, siteHosts(ctx, server)); name != "" {
		logger.Warn("handle_errors may answer a denied request with 2xx, because a handler in it has a status of its own; give reverse_proxy replace_status {err.status_code}, and respond and file_server no status", zap.String("handler", name))
	}
}

// ownStatus returns the name of a handler that may answer an error with 2xx in the routes
// for some hosts, or "". Nil hosts are not known.
func ownStatus(routes caddyhttp.RouteList, hosts []string) string {
	for i := range routes {
		if !mayMatch(routes[i].MatcherSetsRaw, hosts) {
			continue
		}
		for _, raw := range routes[i].HandlersRaw {
			if name := ownStatusOf(raw, hosts); name != "" {
				return name
			}
		}
	}
	return ""
}

// mayMatch reports whether matchers may match a request for one of some hosts.
func mayMatch(sets caddyhttp.RawMatcherSets, hosts []string) bool {
	return hosts == nil || len(sets) == 0 || slices.ContainsFunc(sets, func(set caddy.ModuleMap) bool {
		var names []string
		if json.Unmarshal(set["host"], &names) != nil {
			return true // no matcher of hosts
		}
		return slices.ContainsFunc(names, func(name string) bool {
			return strings.ContainsAny(name, "*{") || slices.ContainsFunc(hosts, func(host string) bool { return strings.EqualFold(host, name) || strings.Contains(host, "*") })
		})
	})
}

// ownStatusOf returns the name of a handler, or of one in it, that may answer an error
// with 2xx.
func ownStatusOf(raw []byte, hosts []string) string {
	var handler struct {
		Name           string               `json:"handler"`
		StatusCode     caddyhttp.WeakString `json:"status_code"`
		HandleResponse []json.RawMessage    `json:"handle_response"`
		Routes         caddyhttp.RouteList  `json:"routes"`
	}
	if json.Unmarshal(raw, &handler) != nil {
		return ""
	}
	switch handler.Name {
	case "subroute":
		return ownStatus(handler.Routes, hosts)
	case "reverse_proxy":
		if len(handler.HandleResponse) == 0 {
			return handler.Name
		}
	case "static_response", "file_server":
		if strings.HasPrefix(handler.StatusCode.String(), "2") {
			return handler.Name
		}
	}
	return ""
}
