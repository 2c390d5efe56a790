package explain

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/accesstable"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// document returns a whole input for a request, with some members changed.
func documentOf(t testing.TB, method, path string, who *authenticator.Identity, change func(map[string]any)) map[string]any {
	t.Helper()
	in := anonymousInput(path)
	in.Identity = who
	encoded, err := json.Marshal(in.Request.Document(in.Request.Readings()[0], who, "", nil, request.AllFields))
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal(encoded, &document); err != nil {
		t.Fatal(err)
	}
	document["request"].(map[string]any)["method"] = method
	if change != nil {
		change(document)
	}
	return document
}

const familyTable = `networks: {lan: [192.168.0.0/16]}
blocked: {users: [eve]}
default: [{roles: [admin]}]
rules:
  - paths: [/healthz]
    allow: [{anyone: true, methods: [GET]}]
  - paths: [/photos/*]
    allow:
      - {networks: [lan], authenticated: true}
      - groups: [family, "old friends"]
        methods: [GET, POST]
        claims: {team: [red, blue], /a~1b: 7}
  - paths: [/closed/*]
    allow: []
`

// tableSketch writes what a table says on lines of its own.
func tableSketch(e *accesstable.Explanation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "allow %v blocked %v\n", e.Allow, e.Blocked)
	for _, rule := range e.Rules {
		fmt.Fprintf(&b, "%s %v\n", rule.Label, rule.Holds)
		for _, alternative := range rule.Alternatives {
			fmt.Fprintf(&b, " %s %v nearest %v\n", alternative.At, alternative.Holds, alternative.Nearest)
			for _, c := range alternative.Conditions {
				has, _ := json.Marshal(c.Has)
				fmt.Fprintf(&b, "  %s %s: %s %v %s\n", c.At, c.Name, c.Wanted, c.Holds, has)
			}
		}
	}
	return b.String()
}

// TestExplainTable: an access table is explained in its own words: the rule by its
// position, each alternative and each condition, what it wants and what there is.
func TestExplainTable(t *testing.T) {
	set := open(t, policy.Config{Access: []string{policytest.NewDir(t).Write("access.yaml", familyTable)}})
	bob := (&authenticator.Identity{Authenticated: true, ID: "bob", Groups: []string{"staff"}, Claims: map[string]any{"team": "green"}}).Normalize()
	eve := (&authenticator.Identity{Authenticated: true, ID: "eve", Groups: []string{"family"}, Roles: []string{"admin"}}).Normalize()
	tests := []struct {
		name, method, path string
		who                *authenticator.Identity
		allow              bool
		want               string
	}{
		{"an alternative that nearly holds", "GET", "/photos/1", bob, false, `allow false blocked false
access.yaml:7 (rule 2) false
 access.yaml:9 false nearest true
  access.yaml:9 networks: [lan] false "192.0.2.1"
  access.yaml:9 authenticated: true true true
 access.yaml:10 false nearest false
  access.yaml:10 groups: [family, "old friends"] false ["staff"]
  access.yaml:11 methods: [GET, POST] true "GET"
  access.yaml:12 claims: {team: [red, blue], /a~1b: 7} false {"a/b":null,"team":"green"}
`},
		{"an anonymous caller", "POST", "/healthz", authenticator.Anonymous(), false, `allow false blocked false
access.yaml:5 (rule 1) false
 access.yaml:6 false nearest true
  access.yaml:6 anyone: true true null
  access.yaml:6 methods: [GET] false "POST"
`},
		{"no rule", "GET", "/else", bob, false, `allow false blocked false
default false
 access.yaml:3 false nearest true
  access.yaml:3 roles: [admin] false []
`},
		{"blocked", "GET", "/else", eve, false, `allow false blocked true
default true
 access.yaml:3 true nearest false
  access.yaml:3 roles: [admin] true ["admin"]
`},
		{"closed", "GET", "/closed/x", eve, false, `allow false blocked true
access.yaml:13 (rule 3) false
`},
		{"allowed", "GET", "/healthz", authenticator.Anonymous(), true, `allow true blocked false
access.yaml:5 (rule 1) true
 access.yaml:6 true nearest false
  access.yaml:6 anyone: true true null
  access.yaml:6 methods: [GET] true "GET"
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			result, err := Explain(context.Background(), set, documentOf(t, test.method, test.path, test.who, nil))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, tableSketch(result.Tables)); diff != "" || result.Allow != test.allow {
				t.Errorf("allow %v\n%s", result.Allow, diff)
			}
			if len(result.Rules) > 0 || result.Nearest != nil {
				t.Errorf("the rules that read tables are explained: %v", result.Rules)
			}
		})
	}
}

// TestExplainTableBesideRego: a policy that asks a table, which says why it does
// not let the caller in.
func TestExplainTableBesideRego(t *testing.T) {
	d := policytest.NewDir(t)
	set := open(t, policy.Config{
		Access: []string{d.Write("access.yaml", "rules:\n  - allow: [{roles: [admin]}]\n")},
		Sources: []string{d.Write("authz.rego", `package caddy.authz

allow if {
	input.request.method == "GET"
	data.caddy.access.allow
}
`)},
	})
	who := (&authenticator.Identity{Authenticated: true, ID: "bob"}).Normalize()
	result, err := Explain(context.Background(), set, documentOf(t, "GET", "/", who, nil))
	if err != nil {
		t.Fatal(err)
	}
	n := result.Nearest
	if n == nil || n.Condition.Text != "data.caddy.access.allow" || !strings.HasSuffix(n.Condition.At, "authz.rego:5") || len(n.Through) > 0 {
		t.Errorf("%+v", n)
	}
	if result.Tables == nil || len(result.Tables.Rules) != 1 || !result.Tables.Rules[0].Alternatives[0].Nearest {
		t.Errorf("%+v", result.Tables)
	}
}

// TestExplainOutcomes: what was decided, with errors and values, is part of the
// explanation.
func TestExplainOutcomes(t *testing.T) {
	who := (&authenticator.Identity{Authenticated: true, ID: "bob", Roles: []string{"member"}}).Normalize()
	tests := []struct {
		name, rules string
		allow       bool
		reason      authenticator.Reason
		error       string
		at          string // of the condition to look at
	}{
		{"allowed", `allow if "member" in input.identity.roles`, true, "", "", ""},
		{"undefined", `allow if "admin" in input.identity.roles`, false, authenticator.ReasonPolicyUndefined, "undefined", "authz.rego:3"},
		{"denied", "default allow := false\nallow if {\n\tinput.identity.authenticated\n\t\"admin\" in input.identity.roles\n}", false, authenticator.ReasonPolicyDenied, "", "authz.rego:6"},
		{"an error", "allow if {\n\tinput.identity.authenticated\n\tto_number(input.identity.id) > 3\n}", false, authenticator.ReasonPolicyError, "to_number", "authz.rego:5"},
		{"the time of the request", "allow if time.clock(time.now_ns())[0] == 22", true, "", "", ""},
		{"a wrong time", "allow if time.clock(time.now_ns())[0] == 21", false, authenticator.ReasonPolicyUndefined, "undefined", "authz.rego:3"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set := policyOf(t, "package caddy.authz\n\n"+test.rules+"\n")
			result, err := Explain(context.Background(), set, documentOf(t, "GET", "/", who, func(document map[string]any) {
				document["request"].(map[string]any)["time_ns"] = json.Number(fmt.Sprint(time.Date(2026, 1, 2, 22, 1, 1, 0, time.UTC).UnixNano()))
			}))
			if err != nil {
				t.Fatal(err)
			}
			if result.Allow != test.allow || result.Reason != test.reason || !strings.Contains(result.Error, test.error) {
				t.Errorf("%v %s %s", result.Allow, result.Reason, result.Error)
			}
			at := ""
			if result.Nearest != nil {
				at = result.Nearest.Condition.At
			}
			if !strings.HasSuffix(at, test.at) || (at == "") != (test.at == "") {
				t.Errorf("look at %q, want %q", at, test.at)
			}
		})
	}
	if _, err := Explain(context.Background(), policyOf(t, "package caddy.authz\nallow := true\n"), "text"); err == nil {
		t.Error("a text passes for an input")
	}
}
