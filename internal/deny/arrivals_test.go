package deny

import (
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// TestN44Arrivals: redirects that get nowhere are told of once, with the remedy.
func TestN44Arrivals(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	tests := []struct {
		name  string
		after []time.Duration
		come  int // who arrives, counted from 1; 0 is none
		warns int
	}{
		{"N-44 none arrives", []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second, time.Hour}, 0, 1},
		{"N-44 two are few", []time.Duration{0, time.Hour}, 0, 0},
		{"N-44 tabs that open at once", []time.Duration{0, 1, 2, 3}, 0, 0},
		{"N-44 the first arrives", []time.Duration{0, time.Second, 2 * time.Second, time.Hour}, 1, 0},
		{"N-44 the second arrives", []time.Duration{0, time.Second, 2 * time.Second, time.Hour}, 2, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			core, logs := observer.New(zapcore.WarnLevel)
			var a Arrivals
			for i, after := range test.after {
				a.Sent(start.Add(after), zap.New(core))
				if i+1 == test.come {
					a.Arrived()
				}
			}
			if logs.Len() != test.warns {
				t.Errorf("%d warnings", logs.Len())
			}
		})
	}
}

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
