package policy

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestCheck: T-49, T-63, a decision path is a path and nothing else.
func TestCheck(t *testing.T) {
	for _, path := range []string{
		"authz.allow", "data", "data.", "data.a b", "data.a; true", `data.a["b"]`, "data.a.b == true", "input.x", "data.1a",
		"data.a.b\n", "data.a..b", "data.a.", " data.a", "data.a[_]", "data.a.b{}", "data.a#", "true", "data.é",
	} {
		if (Config{Decision: path}).Check() == nil {
			t.Errorf("%q passes", path)
		}
	}
	for _, good := range []Config{{Decision: "data.a.b_c1"}, {DecisionCache: MinCache}, {DecisionCache: maxCache}, {DecisionCache: NoCache}} {
		if err := good.Check(); err != nil {
			t.Error(err)
		}
	}
	tests := []struct {
		config Config
		want   string
	}{
		{Config{Timeout: -1}, "timeout"},
		{Config{DecisionCache: 16}, "not between 1MiB"},
		{Config{DecisionCache: MinCache - 1}, "not between 1MiB"},
		{Config{DecisionCache: -2}, "not between 1MiB"},
		{Config{DecisionCache: maxCache + 1}, "and 1TiB"},
		{Config{AllowBuiltins: []string{"rand.intn"}}, "allowed: http.send net.lookup_ip_addr opa.runtime"},
		{Config{Sources: []string{""}}, "empty"},
		{Config{Access: []string{""}}, "empty"},
		{Config{Sources: []string{"http://x/bundle"}}, "not fetched from a server"},
		{Config{ClaimsSchema: "https://x/claims.json"}, "is not a file"},
	}
	for _, test := range tests {
		if err := test.config.Check(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v", test.config, err)
		}
	}
}

// TestNormalized: configurations that mean the same are equal, and others are not.
func TestNormalized(t *testing.T) {
	here, err := filepath.Abs("x")
	if err != nil {
		t.Fatal(err)
	}
	same := []struct{ a, b Config }{
		{Config{}, Config{Decision: "data.caddy.authenticated.allow", Timeout: 100 * time.Millisecond}},
		{Config{Sources: []string{"x"}}, Config{Sources: []string{here}, Decision: "data.caddy.authz.allow"}},
		{Config{ClaimsSchema: "x"}, Config{ClaimsSchema: here}},
		{Config{Access: []string{"x"}}, Config{Access: []string{"./x"}, Decision: "data.caddy.access.decision"}},
		{Config{AllowBuiltins: []string{"opa.runtime", "http.send"}}, Config{AllowBuiltins: []string{"http.send", "opa.runtime"}}},
	}
	for _, test := range same {
		if a, b := test.a.Normalized(), test.b.Normalized(); !reflect.DeepEqual(a, b) {
			t.Errorf("%+v is not %+v", a, b)
		}
	}
	different := []Config{
		{}, {ClaimsSchema: "x"}, {Sources: []string{"x"}}, {Sources: []string{"y"}}, {Access: []string{"x"}}, {Timeout: time.Second}, {Watch: true},
		{Sources: []string{"x", "y"}}, {Sources: []string{"y", "x"}}, {Sources: []string{"x"}, Decision: "data.a.b"}, {AllowBuiltins: []string{"http.send"}},
	}
	for i, a := range different {
		for _, b := range different[:i] {
			if reflect.DeepEqual(a.Normalized(), b.Normalized()) {
				t.Errorf("%+v is %+v", a, b)
			}
		}
	}
	if in := (Config{Sources: []string{"x"}}); in.Normalized().Sources[0] == in.Sources[0] {
		t.Error("a path is still relative")
	}
}
