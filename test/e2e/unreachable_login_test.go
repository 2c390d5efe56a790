//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// TestE2E_N44UnreachableLogin: a login whose pages another handle answers is told of at load where
// the routes show it, else once people are sent there in vain.
func TestE2E_N44UnreachableLogin(t *testing.T) {
	const (
		atLoad  = "the sign-in page cannot be reached"
		atRun   = "browsers are redirected to the sign-in page and none arrives"
		auth    = "policy_auth {\n" + formSite + "}\nrespond protected\n"
		another = "respond another\n"
	)
	tests := []struct {
		name, site    string
		loaded, asked bool // whether it is told of at load, and when asked
	}{
		{"N-44 in a handle", "handle /admin* {\n" + auth + "}\nhandle {\n" + another + "}", true, true},
		{"N-44 in a route", "route /admin* {\n" + auth + "}\n" + another, true, true},
		{"N-44 another handle is before", "handle /.policy_auth/* {\n" + another + "}\nhandle {\n" + auth + "}", false, true},
		{"N-44 the whole site", auth, false, false},
		{"N-44 a handle for both", "@both path /admin* /.policy_auth/*\nhandle @both {\n" + auth + "}\nhandle {\n" + another + "}", false, false},
		{"N-44 a matcher", "policy_auth /admin* {\n" + formSite + "}\nrespond protected", false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newEnv(t)
			s, url := w.serve(test.site)
			if got := strings.Contains(s.logged(), atLoad); got != test.loaded {
				t.Errorf("told of at load: %v", got)
			}
			ask := func() {
				status, header, _ := do(t, "GET", url+"/admin/", "", "Accept", "text/html", "Sec-Fetch-Mode", "navigate")
				if status != 303 {
					t.Fatal(status)
				}
				do(t, "GET", url+header.Get("Location"), "", "Accept", "text/html", "Sec-Fetch-Mode", "navigate")
			}
			for range 4 {
				ask()
			}
			if !test.asked {
				if strings.Contains(s.logged(), atRun) {
					t.Error("redirects that arrive are warned of")
				}
				return
			}
			eventually(t, "the operator is told", func() bool { ask(); return strings.Contains(s.logged(), atRun) })
			ask()
			if got := strings.Count(s.logged(), atRun); got != 1 || !strings.Contains(s.logged(), "give it a matcher instead") {
				t.Errorf("told %d times", got)
			}
		})
	}
}
