package policy

import (
	"context"
	"fmt"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decisioncache"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// roleRule is a policy whose decisions can be remembered.
const roleRule = "package caddy.authz\n\nallow if input.identity.roles[_] == input.request.segments[0]\n"

// withHeaders returns the input for a request with headers.
func withHeaders(in Input, pairs ...string) Input {
	r := httptest.NewRequest("GET", "/admin", nil)
	for i := 0; i < len(pairs); i += 2 {
		r.Header.Set(pairs[i], pairs[i+1])
	}
	in.Request = request.New(r, request.Metadata{ID: func() string { return "id" }}, new(request.Config))
	return in
}

// TestCache: R-CACHE-6, T-05. Cached decisions are told apart by everything that they read,
// so that no caller gets the decision of another one.
func TestCache(t *testing.T) {
	config := func(values map[string]any) Input {
		in := asked("/admin", "admin")
		in.Config = NewConstants(values)
		return in
	}
	tests := []struct {
		name, rules        string
		first, second      Input
		allowed, different bool // of the first, and whether the second is another's
	}{
		{"the same again", roleRule, asked("/admin/a", "admin"), asked("/admin/a", "admin"), true, false},
		{"a refusal", roleRule, asked("/other", "admin"), asked("/other", "admin"), false, false},
		{"another role", roleRule, asked("/admin", "admin"), asked("/admin", "user"), true, true},
		{"nobody", roleRule, asked("/admin", "admin"), asked("/admin", ""), true, true},
		{"another path", roleRule, asked("/admin", "admin"), asked("/other", "admin"), true, true},
		{"what is not read", roleRule, withHeaders(asked("/admin", "admin"), "A", "1"), withHeaders(asked("/admin", "admin"), "A", "2"), true, false},
		{
			"a header", "package caddy.authz\n\nallow if input.request.headers.a == \"1\"\n",
			withHeaders(asked("/", ""), "A", "1", "B", "1"), withHeaders(asked("/", ""), "A", "2", "B", "1"), true, true,
		},
		{
			"an empty header and none", "package caddy.authz\n\nallow if input.request.headers.a == \"\"\n",
			withHeaders(asked("/", ""), "A", ""), withHeaders(asked("/", "")), true, true,
		},
		{
			"another header", "package caddy.authz\n\nallow if input.request.headers.a == \"1\"\n",
			withHeaders(asked("/", ""), "A", "1", "B", "1"), withHeaders(asked("/", ""), "A", "1", "B", "2"), true, false,
		},
		{
			"another site's constants", "package caddy.authz\n\nallow if input.config.open\n",
			config(map[string]any{"open": true}), config(map[string]any{"open": false}), true, true,
		},
		{
			"why a cookie did not count", "package caddy.authz\n\nallow if input.failure.reason == \"\"\n",
			asked("/", ""), func() Input { in := asked("/", ""); in.Failure = authenticator.ReasonSessionExpired; return in }(), true, true,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set := policyOf(t, test.rules)
			if got := set.Decide(t.Context(), test.first); got.Allow != test.allowed || got.Cached != decisioncache.Miss || got.Elapsed == 0 {
				t.Fatalf("first: %+v", got)
			}
			for range 2 {
				if got := set.Decide(t.Context(), test.first); got.Allow != test.allowed || got.Cached != decisioncache.Hit || got.Elapsed != 0 {
					t.Errorf("again: %+v", got)
				}
			}
			want := decisioncache.Hit
			if test.different {
				want = decisioncache.Miss
			}
			got := set.Decide(t.Context(), test.second)
			if fresh := policyOf(t, test.rules).Decide(t.Context(), test.second); got.Cached != want || got.Allow != fresh.Allow || got.Reason != fresh.Reason {
				t.Errorf("second: %+v, want %+v", got, fresh)
			}
		})
	}
}

// TestCacheNever: what failed, what is not to be kept and what is switched off is
// not remembered.
func TestCacheNever(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	expired := asked("/", "admin")
	expired.Identity.ExpiresAt = 1
	long := asked("/admin/"+strings.Repeat("a", decisioncache.MaxKey), "admin")
	tests := []struct {
		name, rules string
		ctx         context.Context
		in          Input
		want        decisioncache.Outcome
	}{
		{"an error", "package caddy.authz\n\nallow if 1 / count(input.identity.roles) > 0\n", t.Context(), asked("/", ""), decisioncache.Miss},
		{"an answer that cannot be read", "package caddy.authz\n\nallow := {\"allow\": true, \"alow\": input.identity.id}\n", t.Context(), asked("/", ""), decisioncache.Miss},
		{"a caller who has gone", roleRule, gone, asked("/admin", "admin"), decisioncache.Miss},
		{"a token that has expired", roleRule, t.Context(), expired, decisioncache.Miss},
		{"no time", "package caddy.authz\n\nallow := {\"allow\": input.identity.id == \"alice\", \"cache\": {\"ttl\": 0}}\n", t.Context(), asked("/", "admin"), decisioncache.Miss},
		{"a long path", roleRule, t.Context(), long, decisioncache.Miss},
		{"a large answer", "package caddy.authz\n\nallow := {\"allow\": false, \"body\": concat(\"\", [input.identity.id | numbers.range(1, 10000)[_]])}\n", t.Context(), asked("/", "admin"), decisioncache.Miss},
		{"the time", "package caddy.authz\n\nallow if input.request.time_ns != 1\n", t.Context(), asked("/", ""), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set := policyOf(t, test.rules)
			for range 3 {
				if got := set.Decide(test.ctx, test.in); got.Cached != test.want {
					t.Errorf("got %+v", got)
				}
			}
		})
	}
	off := open(t, Config{DecisionCache: NoCache})
	if got := off.Decide(t.Context(), asked("/", "")); got.Cached != "" || off.Status().DecisionCache != "off" {
		t.Errorf("off: %+v", got)
	}
}

// TestCacheExpiry: a decision is cached until the caller's credential expires or the time
// that the policy allows is over, whichever is first.
func TestCacheExpiry(t *testing.T) {
	const limited = "package caddy.authz\n\nallow := {\"allow\": input.identity.id == \"alice\", \"cache\": {\"ttl\": \"30s\"}}\n"
	tests := []struct {
		name, rules string
		expires     time.Duration // of the token, 0 for never
		want        time.Duration
	}{
		{"the token", roleRule, 20 * time.Second, 20 * time.Second},
		{"the policy", limited, 0, 30 * time.Second},
		{"the policy first", limited, 40 * time.Second, 30 * time.Second},
		{"the token first", limited, 20 * time.Second, 20 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set, in := policyOf(t, test.rules), asked("/admin", "admin")
				if test.expires != 0 {
					in.Identity.ExpiresAt = time.Now().Add(test.expires).Unix()
				}
				for _, step := range []struct {
					after time.Duration
					want  decisioncache.Outcome
				}{{0, decisioncache.Miss}, {test.want - 1, decisioncache.Hit}, {1, decisioncache.Miss}} {
					time.Sleep(step.after)
					if got := set.Decide(t.Context(), in); got.Cached != step.want {
						t.Errorf("after another %v: %+v", step.after, got)
					}
				}
			})
		})
	}
}

// TestCacheImmutable: T-67. What is done to one answer is not seen in the next.
func TestCacheImmutable(t *testing.T) {
	set := policyOf(t, "package caddy.authz\n\nallow := {\"allow\": input.identity.id == \"alice\", \"headers\": {\"X-A\": [\"1\", \"2\"]}, \"response_headers_to_add\": {\"X-B\": \"3\"}}\n")
	for range 3 {
		got := set.Decide(t.Context(), asked("/", "admin"))
		if !reflect.DeepEqual(got.Headers["X-A"], []string{"1", "2"}) || !reflect.DeepEqual(got.ResponseHeadersToAdd["X-B"], []string{"3"}) || len(got.Headers) != 1 {
			t.Fatalf("got %+v", got)
		}
		got.Headers["X-A"][0] = "changed"
		got.Headers.Set("X-C", "added")
		got.ResponseHeadersToAdd["X-B"][0] = "changed"
	}
}

// TestCacheSwap: a cache belongs to one snapshot.
func TestCacheSwap(t *testing.T) {
	d := policytest.NewDir(t)
	path := d.Write("authz.rego", roleRule)
	set := open(t, Config{Sources: []string{path}})
	for _, want := range []decisioncache.Outcome{decisioncache.Miss, decisioncache.Hit} {
		if got := set.Decide(t.Context(), asked("/admin", "admin")); !got.Allow || got.Cached != want {
			t.Fatalf("got %+v", got)
		}
	}
	d.Write("authz.rego", strings.ReplaceAll(roleRule, "segments[0]", "segments[1]"))
	if err := set.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := set.Decide(t.Context(), asked("/admin", "admin")); got.Allow || got.Cached != decisioncache.Miss {
		t.Errorf("got %+v", got)
	}
}

// TestCacheReadings: each reading of a path is remembered by itself.
func TestCacheReadings(t *testing.T) {
	set := policyOf(t, roleRule)
	for _, want := range []decisioncache.Outcome{decisioncache.Miss, decisioncache.Hit} {
		if got := set.Decide(t.Context(), asked("/admin%2fx", "admin")); got.Allow || got.Cached != want {
			t.Errorf("got %+v", got)
		}
	}
	if got := set.Decide(t.Context(), asked("/admin/x", "admin")); !got.Allow {
		t.Errorf("got %+v", got)
	}
}

// TestCacheEntry: the decision log tells of remembered decisions, for the request
// at hand.
func TestCacheEntry(t *testing.T) {
	set := policyOf(t, roleRule)
	set.Decide(t.Context(), asked("/admin/x", "admin"))
	in := asked("/admin/x", "admin")
	got := set.Decide(t.Context(), in)
	entry, ok := set.Entry(t.Context(), in, got)
	if !ok || got.Cached != decisioncache.Hit || entry.Result != true || entry.Input.(map[string]any)["request"].(map[string]any)["path"] != "/admin/x" {
		t.Errorf("got %+v", entry)
	}
}

// xorIsWrong makes the built-in function bits.xor return another result than the one that
// its operands have. It is in the list of deterministic functions.
var xorIsWrong atomic.Bool

func init() {
	xor := topdown.GetBuiltin(ast.BitsXOr.Name)
	topdown.RegisterBuiltinFunc(ast.BitsXOr.Name, func(ctx topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error) error {
		if xorIsWrong.Load() {
			return iter(ast.InternedTerm(0))
		}
		return xor(ctx, operands, iter)
	})
}

// TestCacheDistrust: a cached decision that is found to be wrong does not stand, is reported
// once, and ends the use of the cache until the policies change.
func TestCacheDistrust(t *testing.T) {
	const rule = "package caddy.authz\n\nallow if bits.xor(count(input.request.segments), 2) == 3\n"
	var reports []Report
	d := policytest.NewDir(t)
	path := d.Write("authz.rego", rule)
	set, err := Open(Config{Sources: []string{path}}, testrun.Checker(), func(r Report) { reports = append(reports, r) })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = set.Close() }()
	if first := set.Decide(t.Context(), asked("/admin", "")); !first.Allow || first.Cached != decisioncache.Miss {
		t.Fatalf("got %+v", first)
	}
	xorIsWrong.Store(true)
	defer xorIsWrong.Store(false)
	wrong := 0
	for range 2000 {
		if set.Decide(t.Context(), asked("/admin", "")).Allow {
			wrong++
		}
	}
	if wrong != 1023 || len(reports) != 1 || !reports[0].Distrusted || set.Status().DecisionCache != "distrusted" {
		t.Errorf("%d wrong answers, %+v, %s", wrong, reports, set.Status().DecisionCache)
	}
	d.Write("authz.rego", rule+"# changed\n")
	if err := set.Reload(); err != nil || set.Status().DecisionCache != "on" {
		t.Errorf("%v, %s", err, set.Status().DecisionCache)
	}
}

// TestCacheVerify: evaluating a hit again for a client that has gone changes nothing.
func TestCacheVerify(t *testing.T) {
	set := policyOf(t, roleRule)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	set.Decide(t.Context(), asked("/admin", "admin"))
	for range 3000 {
		if got := set.Decide(gone, asked("/admin", "admin")); !got.Allow || got.Cached != decisioncache.Hit {
			t.Fatalf("got %+v", got)
		}
	}
	if state := set.Status().DecisionCache; state != "on" {
		t.Error(state)
	}
}

// TestCacheConcurrent: many callers at once, while the policies are swapped, each
// get their own answer.
func TestCacheConcurrent(t *testing.T) {
	d := policytest.NewDir(t)
	set := open(t, Config{Sources: []string{d.Write("authz.rego", roleRule)}})
	var callers sync.WaitGroup
	for worker := range 4 {
		callers.Go(func() {
			for i := range 500 {
				role, path := fmt.Sprintf("r%d", worker), fmt.Sprintf("/r%d/%d", i%4, i%20)
				if got, want := set.Decide(t.Context(), asked(path, role)).Allow, i%4 == worker; got != want {
					t.Errorf("%s %s: %v", role, path, got)
				}
			}
		})
	}
	for i := range 5 {
		d.Write("authz.rego", fmt.Sprintf("%s# %d\n", roleRule, i))
		if err := set.Reload(); err != nil {
			t.Error(err)
		}
	}
	callers.Wait()
}

// TestCacheAllocations holds what a decision costs.
func TestCacheAllocations(t *testing.T) {
	set, in := policyOf(t, roleRule), asked("/admin/a/b", "admin")
	set.Decide(t.Context(), in)
	if got := testing.AllocsPerRun(100, func() { set.Decide(t.Context(), in) }); got > 0 {
		t.Errorf("a hit takes %v allocations", got)
	}
}

func BenchmarkCacheHit(b *testing.B) {
	set, in := policyOf(b, roleRule), asked("/admin/a/b", "admin")
	b.ReportAllocs()
	for b.Loop() {
		set.Decide(b.Context(), in)
	}
}
