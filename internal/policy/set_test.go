package policy

import (
	"context"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dir is a directory of policies.
type dir struct {
	t    testing.TB
	path string
}

func newDir(t testing.TB) dir { return dir{t, t.TempDir()} }

// write puts a file there, old enough to count as settled.
func (d dir) write(name, content string) string {
	d.t.Helper()
	path := filepath.Join(d.path, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		d.t.Fatal(err)
	}
	past := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path, past, past); err != nil {
		d.t.Fatal(err)
	}
	return path
}

// open loads a set until the test ends.
func open(t testing.TB, config Config) *Set {
	t.Helper()
	set, err := Open(config, func(Report) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	})
	return set
}

// policyOf loads one policy.
func policyOf(t testing.TB, source string) *Set {
	t.Helper()
	return open(t, Config{Sources: []string{newDir(t).write("authz.rego", source)}})
}

// asked returns the input for a request by a user with a role; "" is nobody.
func asked(target, role string) Input {
	r := httptest.NewRequest("GET", "/", nil)
	r.URL.RawPath, r.RequestURI = target, target
	r.URL.Path, _ = url.PathUnescape(target)
	facts := request.Facts{ID: func() string { return "id" }, ClientIP: "192.0.2.1", PeerIP: "192.0.2.1"}
	in := Input{Request: request.New(r, facts, new(request.Config)), Identity: identity.Anonymous(), Config: NewConstants(nil)}
	if role != "" {
		in.Identity = (&identity.Identity{Authenticated: true, ID: "alice", Username: "alice", Roles: []string{role}}).Normalize()
	}
	return in
}

// TestWhoDecides: neither table nor policy, one of them, or both (product.md, section 4).
func TestWhoDecides(t *testing.T) {
	d := newDir(t)
	table := d.write("access.yaml", "rules:\n  - paths: [/*]\n    allow: [{roles: [admin]}]\n")
	own := d.write("own.rego", "package caddy.authz\n\nallow if data.caddy.access.allow\n\nallow if input.request.path == \"/open\"\n")
	other := d.write("other.rego", "package my.rules\n\nok := input.request.path == \"/mine\"\n")
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

// TestReadings: each reading of a path must be allowed (T-12 to T-14).
func TestReadings(t *testing.T) {
	set := policyOf(t, `package caddy.authz

allow if input.request.segments[0] != "admin"

allow := {"allow": true, "headers": {"X-Seen": input.request.path}} if input.request.segments[0] == "tagged"
`)
	for target, want := range map[string]bool{"/x": true, "/admin": false, "//admin": false, "/x//admin": true, "/admin%2fx": false, "/admin;x": false, "/%61dmin": false} {
		if got := set.Decide(t.Context(), asked(target, "")); got.Allow != want {
			t.Errorf("%s: %+v", target, got)
		}
	}
	different := policyOf(t, "package caddy.authz\n\nallow := {\"allow\": true, \"headers\": {\"X-Path\": concat(\"|\", input.request.segments)}}\n")
	if got := different.Decide(t.Context(), asked("/a//b", "")); got.Reason != identity.ReasonPolicyError {
		t.Errorf("readings that want different headers: %+v", got)
	}
	if got := different.Decide(t.Context(), asked("/a/b", "")); !got.Allow || got.Headers.Get("X-Path") != "a|b" {
		t.Errorf("one reading: %+v", got)
	}
}

// TestFailures: what goes wrong in a policy refuses, with a reason of its own
// (T-02, T-03, T-04, R-403-6).
func TestFailures(t *testing.T) {
	tests := []struct {
		name, source string
		reason       identity.Reason
	}{
		{"undefined", "allow if false", identity.ReasonPolicyUndefined},
		{"a set", "allow contains \"x\" if true", identity.ReasonPolicyUndefined},
		{"a conflict", "allow := true if true\n\nallow := false if true", identity.ReasonPolicyError},
		{"division by zero", "allow if 1 / object.get(input.config, \"zero\", 0) > 1", identity.ReasonPolicyError},
		{"an error behind not", "blocked if net.cidr_contains(input.request.path, input.client.ip)\n\nallow if not blocked", identity.ReasonPolicyError},
		{"an unknown unit behind not", "blocked if units.parse(input.request.method) > 3\n\nallow if not blocked", identity.ReasonPolicyError},
		{"a runaway comprehension", "allow if count([x | some x in numbers.range(1, 100000000)]) > 0", identity.ReasonPolicyTimeout},
		{"a runaway join", "allow if {\n\tsome a in numbers.range(1, 100000)\n\tsome b in numbers.range(1, 100000)\n\ta + b < 0\n}", identity.ReasonPolicyTimeout},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set := policyOf(t, "package caddy.authz\n\n"+test.source+"\n")
			start := time.Now()
			got := set.Decide(t.Context(), asked("/", "admin"))
			if got.Allow || got.Reason != test.reason || got.Err == nil {
				t.Errorf("got %+v", got)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it was cut off after %s only", took)
			}
		})
	}
}

// TestForbiddenBuiltins: T-49, what reaches out is not there, nor by mocking.
func TestForbiddenBuiltins(t *testing.T) {
	calls := map[string]string{
		"http.send":          `http.send({"method": "get", "url": "http://127.0.0.1:1"})`,
		"net.lookup_ip_addr": `net.lookup_ip_addr("localhost")`,
		"opa.runtime":        `opa.runtime()`,
	}
	for name, call := range calls {
		path := newDir(t).write("authz.rego", "package caddy.authz\n\nallow if "+call+"\n")
		_, err := Open(Config{Sources: []string{path}}, func(Report) {})
		if err == nil || !strings.Contains(err.Error(), "undefined function "+name) || !strings.Contains(err.Error(), "authz.rego:3") {
			t.Errorf("%s: %v", name, err)
		}
		open(t, Config{Sources: []string{path}, AllowBuiltins: []string{name}})
		mocked := newDir(t).write("authz.rego", "package caddy.authz\n\nf(x) := x\n\nallow if startswith(\"a\", \"b\") with startswith as "+name+"\n")
		if _, err := Open(Config{Sources: []string{mocked}}, func(Report) {}); err == nil {
			t.Errorf("%s is reached by mocking", name)
		}
	}
	if got := open(t, Config{Sources: []string{newDir(t).write("a.rego", "package caddy.authz\n\nallow if net.cidr_contains(\"192.0.2.0/24\", input.client.ip)\n")}}).Decide(t.Context(), asked("/", "")); !got.Allow {
		t.Errorf("net.cidr_contains is off: %+v", got)
	}
}

// TestCheck: T-49, T-63, a decision path is a path and nothing else.
func TestCheck(t *testing.T) {
	for _, path := range []string{"authz.allow", "data", "data.", "data.a b", "data.a; true", "data.a[\"b\"]", "data.a.b == true", "input.x", "data.1a"} {
		if (Config{Decision: path}).Check() == nil {
			t.Errorf("%q passes", path)
		}
	}
	for _, config := range []Config{{Timeout: -1}, {AllowBuiltins: []string{"rand.intn"}}, {Sources: []string{""}}} {
		if config.Check() == nil {
			t.Errorf("%+v passes", config)
		}
	}
}

// TestLoad: what a bundle root may hold, and what is refused (T-60, T-07).
func TestLoad(t *testing.T) {
	d := newDir(t)
	d.write("good/authz.rego", "package caddy.authz\n\nallow if data.team.members[input.identity.username]\n")
	d.write("good/authz_test.rego", "this is for opa test and not read")
	d.write("good/team/data.yaml", "members: {alice: true}\n")
	d.write("good/.manifest", `{"revision": "r42", "roots": [""]}`)
	d.write("good/.hidden.rego", "nonsense")
	d.write("good/other.json", "{}")
	var reported Report
	set, err := Open(Config{Sources: []string{d.path + "/good"}}, func(r Report) { reported = r })
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if got := set.Decide(t.Context(), asked("/", "x")); !got.Allow || got.Revision != "r42" {
		t.Errorf("got %+v", got)
	}
	if len(reported.Warnings) != 1 || !strings.Contains(reported.Warnings[0], "other.json is not read") {
		t.Errorf("warnings %q", reported.Warnings)
	}

	base := d.write("base.rego", "package caddy.authz\n\nallow if data.x.y\n")
	tests := []struct {
		name string
		more map[string]string // name → content, each a source
		want string
	}{
		{"data in two sources", map[string]string{"a/data.json": `{"x": {"y": true}}`, "b/data.json": `{"x": {"y": false}}`}, "data.x.y is also in another source"},
		{"a rule where data is", map[string]string{"c/data.json": `{"caddy": {"authz": {"allow": true}}}`}, "conflict"},
		{"a built-in package", map[string]string{"d/a.rego": "package caddy.access\n\nallow := true\n"}, "built in and cannot be added to"},
		{"below a built-in package", map[string]string{"e/a.rego": "package caddy.access.more\n\nallow := true\n"}, "built in and cannot be added to"},
		{"the table as data", map[string]string{"f/data.json": `{"caddy": {"access_table": {}}}`}, "access_table is built in"},
		{"bad JSON", map[string]string{"g/data.json": `{"x": `}, "g"},
		{"a file without a policy", map[string]string{"h.rego": "# nothing\n"}, "h.rego"},
		{"Rego of old", map[string]string{"i.rego": "package old\n\nallow { true }\n"}, "i.rego:3"},
		{"a rule defined twice", map[string]string{"j.rego": "package caddy.authz\n\nimport rego.v1\n\ndefault allow := true\n\ndefault allow := false\n"}, "j.rego"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sources := []string{base}
			for name, content := range test.more {
				path := d.write(name, content)
				if filepath.Ext(name) != ".rego" || strings.Contains(name, "/") {
					path = filepath.Dir(path)
				}
				sources = append(sources, path)
			}
			set, err := Open(Config{Sources: sources}, func(Report) {})
			if err == nil {
				_ = set.Close()
				t.Fatal("it was loaded")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q lacks %q", err, test.want)
			}
		})
	}
}

// TestWatch: an edit counts, a broken one changes nothing and is reported with
// its line, and so is a source that is gone (T-07, T-60).
func TestWatch(t *testing.T) {
	d := newDir(t)
	d.write("p/authz.rego", "package caddy.authz\n\nallow := true\n")
	var mu sync.Mutex
	var reports []Report
	set, err := Open(Config{Sources: []string{d.path + "/p"}, Watch: true}, func(r Report) {
		mu.Lock()
		defer mu.Unlock()
		reports = append(reports, r)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	allowed := func() bool { return set.Decide(context.Background(), asked("/", "")).Allow }
	first := set.Status()
	d.write("p/authz.rego", "package caddy.authz\n\nallow := false\n")
	eventually(t, "the edit counts", func() bool { return !allowed() })
	if now := set.Status(); now.Revision == first.Revision || now.Error != "" {
		t.Errorf("status %+v", now)
	}
	d.write("p/authz.rego", "package caddy.authz\n\nallow := tru\n")
	eventually(t, "the broken edit is shown", func() bool { return strings.Contains(set.Status().Error, "authz.rego:3") })
	if allowed() {
		t.Error("a broken edit opened the door")
	}
	if err := os.RemoveAll(d.path + "/p"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the removal is shown", func() bool { return strings.Contains(set.Status().Error, "no such file") })
	d.write("p/authz.rego", "package caddy.authz\n\nallow := true\n")
	eventually(t, "it is back", func() bool { return allowed() && set.Status().Error == "" })
	if err := set.Close(); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(reports) < 4 || reports[0].Err != nil || reports[len(reports)-1].Err != nil {
		t.Errorf("reports %+v", reports)
	}
}

// eventually waits until a condition holds, at most ten seconds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for range 500 {
		if condition() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("it never came to pass that %s", what)
}

// TestReloadOff: without watching, only Reload takes changes.
func TestReloadOff(t *testing.T) {
	d := newDir(t)
	path := d.write("authz.rego", "package caddy.authz\n\nallow := true\n")
	set := open(t, Config{Sources: []string{path}})
	d.write("authz.rego", "package caddy.authz\n\nallow := nope\n")
	if err := set.Reload(); err == nil || !set.Decide(t.Context(), asked("/", "")).Allow {
		t.Errorf("broken: %v", err)
	}
	d.write("authz.rego", "package caddy.authz\n\nallow := false\n")
	if err := set.Reload(); err != nil || set.Decide(t.Context(), asked("/", "")).Allow {
		t.Errorf("mended: %v", err)
	}
}

// TestNoMix: under load, no request sees the policy of one version with the
// data of another (T-09, T-61).
func TestNoMix(t *testing.T) {
	d := newDir(t)
	version := func(n string) {
		next := d.path + "/v" + n
		d.write("v"+n+"/authz.rego", "package caddy.authz\n\nallow := data.version == \""+n+"\"\n")
		d.write("v"+n+"/data.json", `{"version": "`+n+`"}`)
		_ = os.Remove(d.path + "/link.new")
		if err := os.Symlink(next, d.path+"/link.new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(d.path+"/link.new", d.path+"/link"); err != nil {
			t.Fatal(err)
		}
	}
	version("0")
	set := open(t, Config{Sources: []string{d.path + "/link"}})
	var torn atomic.Int64
	stop := make(chan struct{})
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if !set.Decide(context.Background(), asked("/", "")).Allow {
						torn.Add(1)
					}
				}
			}
		})
	}
	for _, n := range strings.Split("1 2 3 4 5 6 7 8 9", " ") {
		version(n)
		if err := set.Reload(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	workers.Wait()
	if torn.Load() > 0 {
		t.Errorf("%d requests saw a mix", torn.Load())
	}
}

func BenchmarkDecide(b *testing.B) {
	d := newDir(b)
	table := d.write("access.yaml", "rules:\n  - paths: [/public/*]\n    allow: [{anyone: true}]\n  - paths: [/*]\n    allow: [{roles: [admin]}]\n")
	own := d.write("own.rego", "package caddy.authz\n\nimport data.caddy.helpers\n\nallow if {\n\thelpers.under(\"/api\")\n\thelpers.has_role(\"admin\")\n}\n")
	for name, config := range map[string]Config{"authenticated": {}, "access table": {Access: []string{table}}, "Rego": {Sources: []string{own}}} {
		b.Run(name, func(b *testing.B) {
			set := open(b, config)
			in := asked("/api/x", "admin")
			b.ReportAllocs()
			for b.Loop() {
				if !set.Decide(context.Background(), in).Allow {
					b.Fatal("denied")
				}
			}
		})
	}
}
