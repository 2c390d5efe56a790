package placement

import (
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// TestN44Passes: which routes let requests for the sign-in page through.
func TestN44Passes(t *testing.T) {
	paths := func(patterns ...string) caddyhttp.MatchPath {
		m := caddyhttp.MatchPath(patterns)
		if err := m.Provision(caddy.Context{}); err != nil {
			t.Fatal(err)
		}
		return m
	}
	tests := []struct {
		name string
		sets caddyhttp.MatcherSets
		want bool
	}{
		{"N-44 no matcher", nil, true},
		{"N-44 a part of the site", caddyhttp.MatcherSets{{paths("/admin*")}}, false},
		{"N-44 two parts", caddyhttp.MatcherSets{{paths("/admin*")}, {paths("/app/*")}}, false},
		{"N-44 the page is named", caddyhttp.MatcherSets{{paths("/admin*", "/.policy_auth/*")}}, true},
		{"N-44 the page in a set of its own", caddyhttp.MatcherSets{{paths("/admin*")}, {paths("/.policy_auth/*")}}, true},
		{"N-44 all", caddyhttp.MatcherSets{{paths("/*")}}, true},
		{"N-44 another matcher", caddyhttp.MatcherSets{{caddyhttp.MatchMethod{"POST"}}}, true},
		{"N-44 another matcher beside", caddyhttp.MatcherSets{{caddyhttp.MatchMethod{"POST"}, paths("/admin*")}}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := passes(test.sets); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
