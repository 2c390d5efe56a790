package policy

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// TestReadings: each reading of a path must be allowed (T-12, T-13, T-14).
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
	if got := different.Decide(t.Context(), asked("/a//b", "")); got.Allow || got.Reason != authenticator.ReasonPolicyError || got.Revision == "" {
		t.Errorf("readings that want different headers: %+v", got)
	}
	if got := different.Decide(t.Context(), asked("/a/b", "")); !got.Allow || got.Headers.Get("X-Path") != "a|b" {
		t.Errorf("one reading: %+v", got)
	}
	labelled := policyOf(t, "package caddy.authz\n\nallow := {\"allow\": true, \"log\": {\"labels\": {\"path\": concat(\"|\", input.request.segments)}}}\n")
	if got := labelled.Decide(t.Context(), asked("/a//b", "")); !got.Allow || got.Labels["path"] == "" {
		t.Errorf("readings with different labels: %+v", got)
	}
	if got := set.Decide(t.Context(), Input{Request: new(request.Request)}); got.Allow || got.Reason != authenticator.ReasonPolicyError {
		t.Errorf("no reading at all: %+v", got)
	}
}

// TestFailures: what goes wrong in a policy refuses, with a reason of its own
// (T-01, T-02, T-03, T-04, R-403-6).
func TestFailures(t *testing.T) {
	tests := []struct {
		name, source string
		reason       authenticator.Reason
	}{
		{"undefined", "allow if false", authenticator.ReasonPolicyUndefined},
		{"a default that is no decision", "allow := object.get(input.config, \"none\", \"no\")", authenticator.ReasonPolicyUndefined},
		{"a number", "allow := object.get(input.config, \"none\", 1)", authenticator.ReasonPolicyUndefined},
		{"an object without allow", "allow := {\"ok\": true}", authenticator.ReasonPolicyError},
		{"a partial object", "allow[x] := true if some x in [\"a\"]", authenticator.ReasonPolicyError},
		{"a conflict", "allow := true if true\n\nallow := false if true", authenticator.ReasonPolicyError},
		{"division by zero", "allow if 1 / object.get(input.config, \"zero\", 0) > 1", authenticator.ReasonPolicyError},
		{"an error behind not", "blocked if net.cidr_contains(input.request.path, input.client.ip)\n\nallow if not blocked", authenticator.ReasonPolicyError},
		{"an unknown unit behind not", "blocked if units.parse(input.request.method) > 3\n\nallow if not blocked", authenticator.ReasonPolicyError},
		{"an error in a function behind not", "f(x) if to_number(x) > 3\n\nallow if not f(input.request.path)", authenticator.ReasonPolicyError},
		{"an error in a comprehension", "allow if count([x | x := to_number(input.request.path)]) == 0", authenticator.ReasonPolicyError},
		{"a runaway comprehension", "allow if count([x | some x in numbers.range(1, 100000000)]) > 0", authenticator.ReasonPolicyTimeout},
		{"a runaway join", "allow if {\n\tsome a in numbers.range(1, 100000)\n\tsome b in numbers.range(1, 100000)\n\ta + b < 0\n}", authenticator.ReasonPolicyTimeout},
		{"a runaway walk", "many := [[x, [x]] | some x in numbers.range(1, 3000)]\n\nallow if {\n\twalk(many, [p, _])\n\twalk(many, [q, _])\n\tcount(p) + count(q) < 0\n}", authenticator.ReasonPolicyTimeout},
		{"a runaway match", "long := concat(\"\", [\"a\" | some _ in numbers.range(1, 2000)])\n\nallow if {\n\tsome _ in numbers.range(1, 1000000)\n\tregex.match(`(a?){50}a{50}b`, long)\n}", authenticator.ReasonPolicyTimeout},
		{"runaway text", "allow if {\n\tsome i in numbers.range(1, 100000000)\n\tsprintf(\"%d\", [i]) == \"x\"\n}", authenticator.ReasonPolicyTimeout},
		{"a runaway not", "blocked if {\n\tsome a in numbers.range(1, 100000)\n\tsome b in numbers.range(1, 100000)\n\ta + b < 0\n}\n\nallow if not blocked", authenticator.ReasonPolicyTimeout},
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

// TestErrorsSayWhere: an evaluation error names the policy's file and line for the log.
func TestErrorsSayWhere(t *testing.T) {
	got := policyOf(t, "package caddy.authz\n\nallow if {\n\tto_number(input.request.path) > 1\n}\n").Decide(t.Context(), asked("/", ""))
	if got.Err == nil || !strings.Contains(got.Err.Error(), "authz.rego:4") {
		t.Errorf("got %v", got.Err)
	}
}

// TestErrorsWithoutData: neither a query nor a header gets into the log by way
// of a built-in function's error, which still says which one and where.
func TestErrorsWithoutData(t *testing.T) {
	tests := map[string]string{
		`to_number(secret) > 1`:                             "to_number",
		`net.cidr_contains(secret, input.client.ip)`:        "net.cidr_contains",
		`net.cidr_contains("10.0.0.0/8", secret)`:           "net.cidr_contains",
		`time.parse_rfc3339_ns(secret) > 1`:                 "time.parse_rfc3339_ns",
		`units.parse_bytes(secret) > 1`:                     "units.parse_bytes",
		`json.unmarshal(secret)`:                            "json.unmarshal",
		`yaml.unmarshal(concat("", ["a: !!int ", secret]))`: "yaml.unmarshal",
		`urlquery.decode(concat("", [secret, "%zz"]))`:      "urlquery.decode",
		`base64url.decode(concat("", [secret, "!"]))`:       "base64url.decode",
		`regex.match(concat("", [secret, "("]), "x")`:       "regex.match",
		`semver.compare(secret, "1.0.0") > 1`:               "semver.compare",
		`io.jwt.decode(secret)`:                             "io.jwt.decode",
		`1 / count(input.identity.roles) > 1`:               "div",
	}
	for expression, name := range tests {
		set := policyOf(t, "package caddy.authz\n\nsecret := input.request.query.q[0]\n\nallow if "+expression+"\n")
		for _, target := range []string{"/?q=s3cret", "/?q=s3cret%22text%0a%60s3cret"} {
			got := set.Decide(t.Context(), Input{Request: queryOf(target), Identity: authenticator.Anonymous(), Config: NewConstants(nil)})
			if got.Allow || got.Err == nil || strings.Contains(got.Err.Error(), "s3cret") ||
				!strings.HasSuffix(got.Err.Error(), "authz.rego:5: eval_builtin_error: "+name+": it cannot take what it was given") {
				t.Errorf("%s: %+v", expression, got)
			}
		}
	}
}

// queryOf returns a request for a target with a query.
func queryOf(target string) *request.Request {
	return request.New(httptest.NewRequest("GET", target, nil), request.Metadata{ID: func() string { return "id" }, ClientIP: "192.0.2.1"}, new(request.Config))
}

// TestPanic: an evaluation that panics is refused (T-04).
func TestPanic(t *testing.T) {
	in := asked("/", "")
	in.Identity = nil
	got := policyOf(t, "package caddy.authz\n\nallow if input.identity.id == \"\"\n").Decide(t.Context(), in)
	if got.Allow || got.Reason != authenticator.ReasonPolicyError || got.Err == nil || got.Revision == "" {
		t.Errorf("got %+v", got)
	}
}

// TestGone: a caller who is gone, or whose time is up, ends an evaluation (T-01, T-04).
func TestGone(t *testing.T) {
	path := policytest.NewDir(t).Write("a.rego", "package caddy.authz\n\nallow if count([x | some x in numbers.range(1, 100000000)]) > 0\n")
	set := open(t, Config{Sources: []string{path}, Timeout: time.Hour})
	gone, leave := context.WithCancel(t.Context())
	leave()
	if got := set.Decide(gone, asked("/", "")); got.Allow || got.Reason != authenticator.ReasonPolicyTimeout {
		t.Errorf("got %+v", got)
	}
	brief, release := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer release()
	if got := set.Decide(brief, asked("/", "")); got.Allow || got.Reason != authenticator.ReasonPolicyTimeout {
		t.Errorf("got %+v", got)
	}
}

// TestWithData: what a policy puts in place of data counts, whatever is cached.
func TestWithData(t *testing.T) {
	d := policytest.NewDir(t)
	d.Write("p/data.json", `{"team": {"open": false, "list": [1, 2]}}`)
	d.Write("p/a.rego", `package caddy.authz

open if data.team.open

more if count(data.team.list) == 2

allow if {
	not open
	more
	open with data.team.open as true
	more with data.team as {"list": [3, 4]}
	not more with data.team.list as [1]
	not open
	print("not heard of", input)
}
`)
	if got := open(t, Config{Sources: []string{d.Path + "/p"}}).Decide(t.Context(), asked("/", "")); !got.Allow {
		t.Errorf("got %+v", got)
	}
}

// TestConcurrent: one set answers many at once, with one identity and one set
// of constants between them.
func TestConcurrent(t *testing.T) {
	d := policytest.NewDir(t)
	d.Write("p/data.yaml", "teams: {blue: {members: [x, admin]}, red: {members: [y]}}\n")
	d.Write("p/a.rego", `package caddy.authz

allow := {"allow": true, "headers": {"X-Team": team}} if {
	some team
	some role in data.teams[team].members
	role in input.identity.roles
	input.config.teams[_] == team
	sort(object.keys(input.identity.claims)) == ["a", "b"]
}
`)
	set := open(t, Config{Sources: []string{d.Path + "/p"}, Timeout: time.Minute})
	constants := NewConstants(map[string]any{"teams": []any{"blue", "red"}, "other": map[string]any{"b": 1, "a": 2}})
	known := (&authenticator.Identity{Authenticated: true, ID: "alice", Roles: []string{"admin"}, Claims: map[string]any{"b": "1", "a": "2"}}).Normalize()
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for range 50 {
				in := asked("/", "")
				in.Identity, in.Config = known, constants
				if got := set.Decide(context.Background(), in); !got.Allow || got.Headers.Get("X-Team") != "blue" {
					t.Errorf("got %+v", got)
				}
			}
		})
	}
	workers.Wait()
}

func BenchmarkDecide(b *testing.B) {
	d := policytest.NewDir(b)
	table := d.Write("access.yaml", "rules:\n  - paths: [/public/*]\n    allow: [{anyone: true}]\n  - paths: [/*]\n    allow: [{roles: [admin]}]\n")
	for name, config := range map[string]Config{"authenticated": {}, "access table": {Access: []string{table}}} {
		b.Run(name, func(b *testing.B) {
			config.Timeout = time.Minute // on a busy machine too
			set := open(b, config)
			in := asked("/api/documents/x", "admin")
			b.ReportAllocs()
			for b.Loop() {
				if !set.Decide(context.Background(), in).Allow {
					b.Fatal("denied")
				}
			}
		})
	}
}
