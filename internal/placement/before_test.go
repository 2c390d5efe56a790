package placement

import (
	"encoding/json"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// TestAnswerBefore: which handlers keep every request from the one that is being
// provisioned; only sure cases count.
func TestAnswerBefore(t *testing.T) {
	respond := caddyhttp.Route{Handlers: []caddyhttp.MiddlewareHandler{&caddyhttp.StaticResponse{StatusCode: "200"}}}
	with := func(change func(*caddyhttp.Route)) caddyhttp.Route {
		route := respond
		change(&route)
		return route
	}
	inside := func(routes ...caddyhttp.Route) caddyhttp.Route {
		return caddyhttp.Route{Handlers: []caddyhttp.MiddlewareHandler{&caddyhttp.Subroute{Routes: routes}}}
	}
	matched := with(func(r *caddyhttp.Route) { r.MatcherSets = caddyhttp.MatcherSets{{caddyhttp.MatchPath{"/a"}}} })
	tests := []struct {
		name   string
		before []caddyhttp.Route
		beside string // handlers of the same route, before ours
		want   string
	}{
		{"nothing", nil, "", ""},
		{"a route that answers", []caddyhttp.Route{respond}, "", "static_response"},
		{"only some paths", []caddyhttp.Route{matched}, "", ""},
		{"one of several groups", []caddyhttp.Route{with(func(r *caddyhttp.Route) { r.Group = "a" })}, "", ""},
		{"a handle", []caddyhttp.Route{inside(respond)}, "", "static_response"},
		{"a handle with a matcher inside", []caddyhttp.Route{inside(matched)}, "", ""},
		{"early hints", []caddyhttp.Route{with(func(r *caddyhttp.Route) {
			r.Handlers = []caddyhttp.MiddlewareHandler{&caddyhttp.StaticResponse{StatusCode: "103"}}
		})}, "", ""},
		{"headers", nil, `{"handler": "headers"},`, ""},
		{"beside a response", nil, `{"handler": "static_response", "status_code": 302},`, "static_response"},
		{"beside a proxy", nil, `{"handler": "headers"}, {"handler": "reverse_proxy"},`, "reverse_proxy"},
		{"beside forward_auth", nil, `{"handler": "reverse_proxy", "handle_response": [{}]},`, ""},
		{"beside a handle", nil, `{"handler": "subroute", "routes": [{"handle": [{"handler": "file_server"}]}]},`, "file_server"},
		{"beside a handle for a path", nil, `{"handler": "subroute", "routes": [{"match": [{"path": ["/a"]}], "handle": [{"handler": "file_server"}]}]},`, ""},
		{"beside files", nil, `{"handler": "file_server"},`, "file_server"},
		{"beside files that pass", nil, `{"handler": "file_server", "pass_thru": true},`, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var ours caddyhttp.Route
			if err := json.Unmarshal([]byte(`{"handle": [`+test.beside+`{"handler": "policy_auth"}, {"handler": "file_server"}]}`), &ours); err != nil {
				t.Fatal(err)
			}
			routes := append(caddyhttp.RouteList(test.before), ours, respond)
			if got := answerBefore(routes, current(routes)); got != test.want {
				t.Errorf("%q", got)
			}
		})
	}
}
