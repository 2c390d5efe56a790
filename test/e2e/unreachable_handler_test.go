//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// TestE2EUnreachableHandler: a policy_auth that no request reaches is told of at load.
func TestE2EUnreachableHandler(t *testing.T) {
	const auth = "policy_auth {\n" + formSite + "}\n"
	tests := []struct {
		name, site string
		warned     bool
	}{
		{"respond first in a route", "route {\nrespond open\n" + auth + "}", true},
		{"files first in a route", "route {\nfile_server\n" + auth + "}", true},
		{"a proxy in a handle before", "route {\nhandle {\nreverse_proxy localhost:1\n}\n" + auth + "}", true},
		{"redir without a matcher", "redir https://example.com{uri}\n" + auth, true},
		{"redir of one path", "redir /a /b\n" + auth + "respond protected", false},
		{"redir with a matcher in a handle", "handle {\nredir /a /b\n" + auth + "respond protected\n}", false},
		{"forward_auth", "route {\nforward_auth localhost:1 {\nuri /x\n}\n" + auth + "respond protected\n}", false},
		{"first", "route {\n" + auth + "respond protected\n}", false},
		{"sorted", "respond protected\n" + auth, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, _ := newEnv(t).serve(test.site)
			if got := strings.Contains(s.logged(), "policy_auth protects nothing here"); got != test.warned {
				t.Errorf("told of at load: %v", got)
			}
		})
	}
}
