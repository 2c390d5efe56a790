package policy

import (
	"encoding/json"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
)

// TestWhoDecides: neither table nor policy, one of them, or both (product.md, section 4).
func TestWhoDecides(t *testing.T) {
	d := policytest.NewDir(t)
	table := d.Write("access.yaml", "rules:\n  - paths: [/*]\n    allow: [{roles: [admin]}]\n")
	own := d.Write("own.rego", "package caddy.authz\n\nallow if data.caddy.access.allow\n\nallow if input.request.path == \"/open\"\n")
	other := d.Write("other.rego", "package my.rules\n\nok := input.request.path == \"/mine\"\n")
	tests := []struct {
		name, target, role string
		config             Config
		want               bool
	}{
		{"neither, known", "/", "x", Config{}, true},
		{"neither, anonymous", "/", "", Config{}, false},
		{"table", "/", "admin", Config{Access: []string{table}}, true},
		{"table, another role", "/", "x", Config{Access: []string{table}}, false},
		{"both, by the table", "/", "admin", Config{Access: []string{table}, Sources: []string{own}}, true},
		{"both, by the policy", "/open", "", Config{Access: []string{table}, Sources: []string{own}}, true},
		{"both, by neither", "/", "x", Config{Access: []string{table}, Sources: []string{own}}, false},
		{"another rule", "/mine", "", Config{Sources: []string{other}, Decision: "data.my.rules.ok"}, true},
		{"another rule, denied", "/", "", Config{Sources: []string{other}, Decision: "data.my.rules.ok"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := open(t, test.config).Decide(t.Context(), asked(test.target, test.role)); got.Allow != test.want {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestStatus: what the admin API shows.
func TestStatus(t *testing.T) {
	before := time.Now()
	d := policytest.NewDir(t)
	path := d.Write("authz.rego", "package caddy.authz\n\nallow if data.caddy.access.allow\n")
	table := d.Write("access.yaml", "rules: []\n")
	set := open(t, Config{Sources: []string{path}, Access: []string{table}})
	status := set.Status()
	if status.LoadedAt.Before(before) || status.Revision == "" || status.Error != "" {
		t.Errorf("got %+v", status)
	}
	encoded, err := json.Marshal(status)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(encoded, &got); err != nil {
		t.Fatal(err)
	}
	if reads, _ := got["reads"].([]any); !slices.Contains(reads, any("request.path_folded")) || slices.Contains(reads, any("request.body")) {
		t.Errorf("reads %v", reads)
	}
	delete(got, "reads")
	want := map[string]any{
		"id": set.ID(), "sources": []any{path}, "access": []any{table}, "decision": "data.caddy.authz.allow",
		"revision": status.Revision, "loaded_at": status.LoadedAt.Format(time.RFC3339Nano), "error": "",
		"cacheable": true, "not_cacheable": []any{}, "decision_cache": "on",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if none, err := json.Marshal(open(t, Config{}).Status()); err != nil || !strings.Contains(string(none), `"sources":[],"access":[]`) {
		t.Errorf("got %s, %v", none, err)
	}
}

// TestClose: closing twice is fine, and requests in flight are still answered.
func TestClose(t *testing.T) {
	d := policytest.NewDir(t)
	path := d.Write("authz.rego", "package caddy.authz\n\nallow := true\n")
	set, err := Open(Config{Sources: []string{path}, Watch: true}, testrun.Checker(), func(Report) {})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	}
	if got := set.Decide(t.Context(), asked("/", "")); !got.Allow {
		t.Errorf("got %+v", got)
	}
}

// TestManyOpened: what is opened and closed again, or fails to open, leaves no
// goroutine and no file behind (T-62; TestMain looks for goroutines as well).
func TestManyOpened(t *testing.T) {
	d := policytest.NewDir(t)
	good := d.Write("good.rego", "package caddy.authz\n\nallow := true\n")
	bad := d.Write("bad.rego", "package caddy.authz\n\nallow := missing\n")
	round := func() {
		set, err := Open(Config{Sources: []string{good}, Watch: true}, testrun.Checker(), func(Report) {})
		if err != nil {
			t.Fatal(err)
		}
		if err := set.Close(); err != nil {
			t.Fatal(err)
		}
		refused(t, Config{Sources: []string{bad}, Watch: true})
	}
	round()
	goroutines, opened := runtime.NumGoroutine(), openFiles()
	for range 30 {
		round()
	}
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
	if now := openFiles(); now > opened {
		t.Errorf("%d open files became %d", opened, now)
	}
}

// openFiles counts this process's open files where the system lists them.
func openFiles() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}
