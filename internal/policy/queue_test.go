package policy

import (
	"context"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
)

// constantsOf returns what a request without a credential is asked with.
func constantsOf(values map[string]any) Input {
	in := asked("/", "")
	in.Config = NewConstants(values)
	return in
}

// TestN15Gated: what may compute for long on a short text is off, and the error
// says so and how to turn it on (N-59).
func TestN15Gated(t *testing.T) {
	calls := map[string]string{
		"graph.reachable_paths": `count(graph.reachable_paths({}, [])) == 0`,
		"graphql.is_valid":      `graphql.is_valid("{a}", "type Query{a:Int}")`,
		"graphql.parse_query":   `graphql.parse_query("{a}")`,
		"rego.parse_module":     `rego.parse_module("a", "package a")`,
	}
	for name, call := range calls {
		path := policytest.NewDir(t).Write("authz.rego", "package caddy.authz\n\nallow if "+call+"\n")
		refused(t, Config{Sources: []string{path}}, "authz.rego:3", "undefined function "+name+": it is off", `write "builtins allow `+name+`" in the policies block`)
		if got := open(t, Config{Sources: []string{path}, AllowBuiltins: []string{name}, Timeout: time.Minute}).Decide(t.Context(), asked("/", "")); !got.Allow {
			t.Errorf("%s allowed: %+v", name, got)
		}
	}
	for name, call := range map[string]string{"http.send": `http.send({})`, "net.lookup_ip_addr": `net.lookup_ip_addr("a")`, "opa.runtime": `opa.runtime()`} {
		refused(t, Config{Sources: []string{policytest.NewDir(t).Write("authz.rego", "package caddy.authz\n\nallow if "+call+"\n")}},
			"undefined function "+name+": it is off, because it reaches out of the policy", `"builtins allow `+name+`"`)
	}
}

// TestN15LateResult: a result that comes after the timeout is none, although
// nothing could cut the call off.
func TestN15LateResult(t *testing.T) {
	path := policytest.NewDir(t).Write("authz.rego", "package caddy.authz\n\nallow if not regex.match(`(a?){50}a{50}b`, input.config.x)\n")
	set := open(t, Config{Sources: []string{path}, Timeout: 5 * time.Millisecond})
	got := set.Decide(t.Context(), constantsOf(map[string]any{"x": strings.Repeat("a", 512<<10)}))
	if got.Allow || got.Reason != authenticator.ReasonPolicyTimeout || got.Err == nil {
		t.Errorf("got %+v", got)
	}
}

// TestN15EvaluationsAtOnce: they are bounded; who waits too long is told to come
// again, and one that panics gives its turn back.
func TestN15EvaluationsAtOnce(t *testing.T) {
	plain := policyOf(t, "package caddy.authz\n\nallow if input.identity.id == \"\"\n")
	panics := asked("/", "")
	panics.Identity = nil
	for range 4 * runtime.GOMAXPROCS(0) {
		if got := plain.Decide(t.Context(), panics); got.Reason != authenticator.ReasonPolicyError {
			t.Fatalf("one that panics: %+v", got)
		}
	}
	slots := 2 * runtime.GOMAXPROCS(0)
	for range slots {
		if err := computing.Acquire(t.Context(), netip.Addr{}); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	got := plain.Decide(t.Context(), asked("/", ""))
	if took := time.Since(start); got.Allow || got.Reason != authenticator.ReasonBusy || got.Err == nil || took < maxWait || took > 10*maxWait {
		t.Errorf("after %s: %+v", took, got)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if got := plain.Decide(gone, asked("/", "")); got.Allow || got.Reason != authenticator.ReasonPolicyTimeout {
		t.Errorf("one who is gone: %+v", got)
	}
	for range slots {
		computing.Release()
	}
	if got := plain.Decide(t.Context(), asked("/", "")); !got.Allow {
		t.Errorf("afterwards: %+v", got)
	}
}
