package policy

import (
	"context"
	"fmt"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
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

// TestCache: R-CACHE-6, T-05. What is remembered is told apart by all that the
// decision reads, so that nobody gets what another one was answered.
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
			if got := set.Decide(t.Context(), test.first); got.Allow != test.allowed || got.Cached != CacheMiss || got.Elapsed == 0 {
				t.Fatalf("first: %+v", got)
			}
			for range 2 {
				if got := set.Decide(t.Context(), test.first); got.Allow != test.allowed || got.Cached != CacheHit || got.Elapsed != 0 {
					t.Errorf("again: %+v", got)
				}
			}
			want := CacheHit
			if test.different {
				want = CacheMiss
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
	long := asked("/admin/"+strings.Repeat("a", maxKey), "admin")
	tests := []struct {
		name, rules string
		ctx         context.Context
		in          Input
		want        Cached
	}{
		{"an error", "package caddy.authz\n\nallow if 1 / count(input.identity.roles) > 0\n", t.Context(), asked("/", ""), CacheMiss},
		{"an answer that cannot be read", "package caddy.authz\n\nallow := {\"allow\": true, \"alow\": input.identity.id}\n", t.Context(), asked("/", ""), CacheMiss},
		{"a caller who has gone", roleRule, gone, asked("/admin", "admin"), CacheMiss},
		{"a token that has expired", roleRule, t.Context(), expired, CacheMiss},
		{"no time", "package caddy.authz\n\nallow := {\"allow\": input.identity.id == \"alice\", \"cache\": {\"ttl\": 0}}\n", t.Context(), asked("/", "admin"), CacheMiss},
		{"a long path", roleRule, t.Context(), long, CacheMiss},
		{"a large answer", "package caddy.authz\n\nallow := {\"allow\": false, \"body\": concat(\"\", [input.identity.id | numbers.range(1, 10000)[_]])}\n", t.Context(), asked("/", "admin"), CacheMiss},
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

// TestCacheExpiry: a decision is remembered no longer than its caller's
// credential counts, nor longer than the policy says.
func TestCacheExpiry(t *testing.T) {
	const limited = "package caddy.authz\n\nallow := {\"allow\": input.identity.id == \"alice\", \"cache\": {\"ttl\": \"30s\"}}\n"
	start := time.Unix(1_000_000, 0)
	tests := []struct {
		name, rules string
		expires     int64
		want        time.Duration
	}{
		{"the token", roleRule, start.Unix() + 20, 20 * time.Second},
		{"the policy", limited, 0, 30 * time.Second},
		{"the policy first", limited, start.Unix() + 40, 30 * time.Second},
		{"the token first", limited, start.Unix() + 20, 20 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set, now := policyOf(t, test.rules), start
			set.live.Load().cache.now = func() time.Time { return now }
			in := asked("/admin", "admin")
			in.Identity.ExpiresAt = test.expires
			for _, step := range []struct {
				after time.Duration
				want  Cached
			}{{0, CacheMiss}, {test.want - 1, CacheHit}, {test.want, CacheMiss}} {
				now = start.Add(step.after)
				if got := set.Decide(t.Context(), in); got.Cached != step.want {
					t.Errorf("after %v: %+v", step.after, got)
				}
			}
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
	for _, want := range []Cached{CacheMiss, CacheHit} {
		if got := set.Decide(t.Context(), asked("/admin", "admin")); !got.Allow || got.Cached != want {
			t.Fatalf("got %+v", got)
		}
	}
	d.Write("authz.rego", strings.ReplaceAll(roleRule, "segments[0]", "segments[1]"))
	if err := set.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := set.Decide(t.Context(), asked("/admin", "admin")); got.Allow || got.Cached != CacheMiss {
		t.Errorf("got %+v", got)
	}
}

// TestCacheReadings: each reading of a path is remembered by itself.
func TestCacheReadings(t *testing.T) {
	set := policyOf(t, roleRule)
	for _, want := range []Cached{CacheMiss, CacheHit} {
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
	if !ok || got.Cached != CacheHit || entry.Result != true || entry.Input.(map[string]any)["request"].(map[string]any)["path"] != "/admin/x" {
		t.Errorf("got %+v", entry)
	}
}

// TestCacheDistrust: a remembered decision that is found to be wrong ends the use
// of the cache, is reported once, and does not stand.
func TestCacheDistrust(t *testing.T) {
	var reports []Report
	d := policytest.NewDir(t)
	path := d.Write("authz.rego", roleRule)
	set, err := Open(Config{Sources: []string{path}}, testrun.Checker(), func(r Report) { reports = append(reports, r) })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = set.Close() }()
	current := set.live.Load()
	set.Decide(t.Context(), asked("/admin", "user"))
	current.cache.entries.All()(func(_ string, known *entry) bool {
		known.decision = decision.Decision{Allow: true} // what must never happen
		return true
	})
	wrong := 0
	for range verifyEvery + 10 {
		if set.Decide(t.Context(), asked("/admin", "user")).Allow {
			wrong++
		}
	}
	if wrong != verifyEvery-1 || len(reports) != 1 || !reports[0].Distrusted || set.Status().DecisionCache != "distrusted" {
		t.Errorf("%d wrong answers, %+v, %s", wrong, reports, set.Status().DecisionCache)
	}
	d.Write("authz.rego", roleRule+"# changed\n")
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
	for range 2 * verifyEvery {
		if got := set.Decide(gone, asked("/admin", "admin")); !got.Allow || got.Cached != CacheHit {
			t.Fatalf("got %+v", got)
		}
	}
	if state := set.Status().DecisionCache; state != "on" {
		t.Error(state)
	}
}

// TestCacheVerifyShare: one hit in 1,024 is evaluated again, and less often where
// that would take more than 1 % of the time, also if it is one after another.
func TestCacheVerifyShare(t *testing.T) {
	const between, hits = 10 * time.Microsecond, 4_000_000
	for _, test := range []struct {
		name        string
		takes       time.Duration
		least, most int
	}{
		{"what takes no time", 0, hits / 1024, hits / 1024},
		{"what is fast", 50 * time.Microsecond, hits / 1024, hits / 1024},
		{"what is slow", 10 * time.Millisecond, 35, 45},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, now, again := newCache(defaultCache), time.Unix(1_000_000, 0), 0
			c.opened, c.now = now, func() time.Time { return now }
			for range hits {
				now = now.Add(between)
				if c.shouldVerify() {
					now = now.Add(test.takes)
					c.scheduleNextVerify(test.takes)
					again++
				}
			}
			spent := time.Duration(again) * test.takes
			if all := now.Sub(c.opened); again < test.least || again > test.most || spent > all/100+test.takes {
				t.Errorf("%d were evaluated again, for %v of %v", again, spent, all)
			}
		})
	}
}

// TestCacheVerifyAtOnce: while a hit is evaluated again, no other one is.
func TestCacheVerifyAtOnce(t *testing.T) {
	c := newCache(defaultCache)
	count := func() (again int) {
		for range 10 * verifyEvery {
			if c.shouldVerify() {
				again++
			}
		}
		return again
	}
	if got := count(); got != 1 {
		t.Errorf("%d at once", got)
	}
	if c.scheduleNextVerify(0); count() != 1 {
		t.Error("none afterwards")
	}
}

// TestSizeBounded: a decision may be all of the data, of which no more is looked at
// than would be kept.
func TestSizeBounded(t *testing.T) {
	numbers := make([]*ast.Term, 1<<16)
	for i := range numbers {
		numbers[i] = ast.InternedTerm(i)
	}
	list := ast.NewArray(numbers...)
	for name, value := range map[string]ast.Value{
		"a list": list, "a set": ast.NewSet(numbers...), "an object": ast.NewObject(ast.Item(ast.StringTerm("a"), ast.NewTerm(list)), ast.Item(ast.StringTerm("b"), ast.NewTerm(list))),
	} {
		if size := sizeOf(value); size <= maxValue || size > 2*maxValue {
			t.Errorf("%s: %d", name, size)
		}
	}
}

// TestCacheBounded: the cache keeps to its size, and one caller who tries out
// paths does not displace what others ask all the time.
func TestCacheBounded(t *testing.T) {
	const size, regulars, strangers = 256 << 10, 100, 20_000
	c := newCache(size)
	put := func(name string) { c.put([]byte(name), decision.Decision{Allow: true}, authenticator.Anonymous()) }
	hits := 0
	ask := func(name string) {
		if c.get([]byte(name)) == nil {
			put(name)
		} else if strings.HasPrefix(name, "regular") {
			hits++
		}
	}
	for range 20 {
		for i := range regulars {
			ask(fmt.Sprintf("regular %d", i))
		}
	}
	c.entries.CleanUp()
	hits = 0
	for i := range strangers {
		ask(fmt.Sprintf("scan %d", i))
		ask(fmt.Sprintf("regular %d", i%regulars))
	}
	c.entries.CleanUp()
	if got := c.entries.WeightedSize(); got > size {
		t.Errorf("%d bytes, want at most %d", got, size)
	}
	if hits < strangers*9/10 {
		t.Errorf("of %d requests of regulars %d were remembered", strangers, hits)
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
	set.live.Load().cache.hits.Store(1) // none of the next ones is evaluated again
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
