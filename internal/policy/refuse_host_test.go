package policy

import (
	"slices"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
)

// TestS08ForeignDestination: Rego judges a destination on another host only if it reads
// which host that is.
func TestS08ForeignDestination(t *testing.T) {
	unaware := policyOf(t, "package caddy.authz\n\nallow if startswith(input.request.destination_path, \"/pub\")\n")
	aware := policyOf(t, "package caddy.authz\n\nallow if input.request.destination_host == \"b.example\"\n")
	byAlias := policyOf(t, "package caddy.authz\n\nallow if {\n\tr := input.request\n\tobject.get(r, \"destination_host\", \"\") == \"b.example\"\n}\n")
	walking := policyOf(t, "package caddy.authz\n\nallow if {\n\tsome path, value\n\twalk(input, [path, value])\n\tvalue == \"MOVE\"\n}\n")
	whole := policyOf(t, "package caddy.authz\n\nallow if object.get(input, [\"request\", \"method\"], \"\") == \"MOVE\"\n")
	passed := policyOf(t, "package caddy.authz\n\nallow if moves(input.request)\n\nmoves(r) if r.method == \"MOVE\"\n")
	dynamic := policyOf(t, "package caddy.authz\n\nallow if {\n\tsome name\n\tinput.request[name] == \"MOVE\"\n}\n")
	for _, test := range []struct {
		name, destination string
		set               *Engine
		allow             bool
		codes             []string
	}{
		{"own path", "/pub/x", unaware, true, nil},
		{"own host", "https://A.example:8443/pub/x", unaware, true, nil},
		{"another host", "http://b.example/pub/x", unaware, false, []string{"foreign_destination"}},
		{"another host that is read", "http://b.example/pub/x", aware, true, nil},
		{"a third host that is read", "http://c.example/pub/x", aware, false, nil},
		{"read by an alias", "http://b.example/pub/x", byAlias, true, nil},
		{"walk", "http://b.example/pub/x", walking, false, []string{"foreign_destination"}},
		{"walk, own host", "/pub/x", walking, true, nil},
		{"object.get of input", "http://b.example/pub/x", whole, false, []string{"foreign_destination"}},
		{"input.request as an argument", "http://b.example/pub/x", passed, false, []string{"foreign_destination"}},
		{"a field of any name", "http://b.example/pub/x", dynamic, false, []string{"foreign_destination"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := decideBy(test.set, call{"MOVE", "a.example", "/x", map[string]string{"Destination": test.destination}, "192.0.2.1", nil})
			if got.Allow != test.allow || !slices.Equal(got.Codes, test.codes) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestNoHost: T-15, T-22. Where the answer depends on the host, a request without one is
// refused; elsewhere it is judged, since old health checks send none.
func TestNoHost(t *testing.T) {
	table := func(rules string) *Engine {
		return open(t, Config{Access: []string{policytest.NewDir(t).Write("access.yaml", "rules:\n"+rules+"  - allow: [{anyone: true}]\n")}})
	}
	asking := func(rego, rules string) *Engine {
		d := policytest.NewDir(t)
		return open(t, Config{Sources: []string{d.Write("authz.rego", "package caddy.authz\n\n"+rego)}, Access: []string{d.Write("access.yaml", "rules:\n"+rules+"  - allow: [{anyone: true}]\n")}})
	}
	const admin, domain = "  - hosts: [admin.example]\n    allow: []\n", "  - hosts: ['*.example']\n    allow: []\n"
	for _, test := range []struct {
		name    string
		set     *Engine
		refused bool
	}{
		{"a table that names a host", table(admin), true},
		{"a table that names a domain", table(domain), true},
		{"a table that names none", table("  - paths: [/admin/*]\n    allow: []\n"), false},
		{"a policy that reads it", policyOf(t, "package caddy.authz\n\nallow if input.request.host != \"admin.example\"\n"), true},
		{"a policy that may read it", policyOf(t, "package caddy.authz\n\nallow if {\n\tsome name\n\tinput.request[name] == \"GET\"\n}\n"), true},
		{"a policy that does not", policyOf(t, "package caddy.authz\n\nallow if input.request.method == \"GET\"\n"), false},
		{"a policy that asks a table", asking("allow if data.caddy.access.allow\n", ""), false},
		{"a policy that asks one with hosts", asking("allow if data.caddy.access.allow\n", admin), true},
		{"a policy that asks a table and reads it", asking("allow if {\n\tdata.caddy.access.allow\n\tinput.request.host != \"admin.example\"\n}\n", ""), true},
	} {
		for _, host := range []string{"", ":443"} {
			got := decideBy(test.set, call{"GET", host, "/x", nil, "192.0.2.1", nil})
			if got.Allow == test.refused || test.refused && (got.Reason != authenticator.ReasonPathAmbiguous || !slices.Equal(got.Codes, []string{"bad_host"})) {
				t.Errorf("%s, %q: %+v", test.name, host, got)
			}
		}
		if got := decideBy(test.set, call{"GET", "open.other", "/x", nil, "192.0.2.1", nil}); !got.Allow {
			t.Errorf("%s, with a host: %+v", test.name, got)
		}
	}
}

// TestS08ExplainHosts: what is refused for its hosts is explained as refused, whatever
// the policy makes of it.
func TestS08ExplainHosts(t *testing.T) {
	set := policyOf(t, "package caddy.authz\n\nallow if input.request.host != \"admin.example\"\n")
	for _, test := range []struct {
		request map[string]any
		reason  authenticator.Reason
		codes   []string
	}{
		{map[string]any{"host": "a.example", "destination_host": "b.example"}, authenticator.ReasonPolicyDenied, []string{"foreign_destination"}},
		{map[string]any{"host": "", "destination_host": ""}, authenticator.ReasonPathAmbiguous, []string{"bad_host"}},
		{map[string]any{"host": "a.example", "destination_host": "a.example"}, "", nil},
		{map[string]any{"host": "a.example"}, "", nil},
	} {
		document := ast.MustInterfaceToValue(map[string]any{"request": test.request})
		got, _ := set.Snapshot().DecideDocument(t.Context(), document, time.Now().Add(time.Minute), time.Time{})
		if got.Err != nil || got.Allow != (test.codes == nil) || got.Reason != test.reason || !slices.Equal(got.Codes, test.codes) {
			t.Errorf("%v: %+v", test.request, got)
		}
	}
}
