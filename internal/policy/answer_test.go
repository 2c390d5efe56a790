package policy

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
)

// TestAnswers: policies as people write them, from Rego to the Decision (T-01, T-02).
func TestAnswers(t *testing.T) {
	tests := []struct {
		name, source, target, role string
		allow                      bool
		reason                     authenticator.Reason
	}{
		{"a default", "default allow := false\n\nallow if input.request.path == \"/x\"", "/x", "", true, ""},
		{"a default, denied", "default allow := false\n\nallow if input.request.path == \"/x\"", "/y", "", false, authenticator.ReasonPolicyDenied},
		{"a default that allows", "default allow := true\n\nallow := false if input.request.path == \"/x\"", "/x", "", false, authenticator.ReasonPolicyDenied},
		{"else", "allow := false if {\n\tinput.request.path == \"/x\"\n} else := true", "/y", "", true, ""},
		{"else, denied", "allow := false if {\n\tinput.request.path == \"/x\"\n} else := true", "/x", "", false, authenticator.ReasonPolicyDenied},
		{"deny beside allow", "allow := {\"allow\": true, \"deny\": deny}\n\ndeny contains \"late\" if input.request.path == \"/x\"", "/x", "", false, authenticator.ReasonPolicyDenied},
		{"deny beside allow, empty", "allow := {\"allow\": true, \"deny\": deny}\n\ndeny contains \"late\" if input.request.path == \"/x\"", "/y", "", true, ""},
		{"a deny that fails", "allow := {\"allow\": true, \"deny\": deny}\n\ndeny contains \"late\" if to_number(input.request.path) > 1", "/x", "", false, authenticator.ReasonPolicyError},
		{"a deny that nobody reads", "allow := true\n\ndeny contains \"late\" if input.request.path == \"/x\"", "/x", "", true, ""},
		{"a count for a boolean", "allow := object.get(input.config, \"none\", 1)", "/x", "admin", false, authenticator.ReasonPolicyUndefined},
		{"a string for a boolean", "allow := object.get(input.config, \"none\", \"true\")", "/x", "true", false, authenticator.ReasonPolicyUndefined},
		{"the caller's own claim for a decision", "allow := input.identity.claims", "/x", "admin", false, authenticator.ReasonPolicyUndefined},
		{"a role that is missing", "allow if \"admin\" in input.identity.roles", "/x", "", false, authenticator.ReasonPolicyUndefined},
		{"a role that is not missing", "allow if not \"admin\" in input.identity.roles", "/x", "", true, ""},
		{"every of nothing", "allow if every role in input.identity.roles {\n\trole == \"admin\"\n}", "/x", "other", false, authenticator.ReasonPolicyUndefined},
		{"a header that is missing", "allow if input.request.headers[\"x-a\"] == \"b\"", "/x", "", false, authenticator.ReasonPolicyUndefined},
		{"a helper", "import data.caddy.helpers\n\nallow if helpers.has_role(\"admin\")", "/x", "admin", true, ""},
		// T-18
		{"the query is no path", "allow if input.request.path == \"/x\"", "/x?/y", "", false, authenticator.ReasonPolicyUndefined},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := policyOf(t, "package caddy.authz\n\n"+test.source+"\n").Decide(t.Context(), asked(test.target, test.role))
			if got.Allow != test.allow || got.Reason != test.reason {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestAnswerWhole: every member of a denial arrives as it was written, and what
// looks like a placeholder stays text (T-48).
func TestAnswerWhole(t *testing.T) {
	got := policyOf(t, `package caddy.authz

allow := {
	"allow": false,
	"deny": {"closed", "Come back at nine."},
	"reasons": ["late"],
	"remediation": "Ask {env.HOME}.",
	"http_status": 451,
	"headers": {"x-a": ["1", input.request.path]},
	"body": "{http.vars.secret}",
	"challenge": {"scope": {"write", "read"}, "acr_values": ["gold"], "max_age": 300},
	"redirect": {"to": "/closed?from=x", "status": 302},
	"log": {"labels": {"rule": "hours"}},
}
`).Decide(t.Context(), asked("/x", "admin"))
	got.Value = nil
	body := "{http.vars.secret}"
	want := decision.Decision{
		Reason: authenticator.ReasonPolicyDenied, Codes: []string{"closed", "late"}, Message: "Come back at nine.", Remediation: "Ask {env.HOME}.",
		Status: 451, Headers: http.Header{"X-A": {"1", "/x"}}, Body: &body,
		Challenge: &decision.Challenge{Scopes: []string{"read", "write"}, ACRValues: []string{"gold"}, MaxAge: 300},
		Redirect:  &decision.Redirect{To: "/closed?from=x", Status: 302}, Labels: map[string]string{"rule": "hours"},
	}
	if !reflect.DeepEqual(got.Decision, want) {
		t.Errorf("got  %+v\nwant %+v", got.Decision, want)
	}
}

// FuzzDecide: whatever strangers ask for, the decision is a decision, and only
// the one path that is allowed is allowed (T-01, T-66).
func FuzzDecide(f *testing.F) {
	d := policytest.NewDir(f)
	path := d.Write("a.rego", `package caddy.authz

allow := {"allow": true, "headers": {"X-Method": input.request.method}} if {
	input.request.path == "/open"
	count(input.request.headers) >= 0
	not contains(input.request.raw_query, "closed")
}
`)
	set := open(f, Config{Sources: []string{path}})
	for _, target := range []string{"/open", "/open/", "//open", "/x/../open", "/%6fpen", "/open%2f", "/open;x", "/\xff", "/open\x00", "", "/open%"} {
		f.Add(target, "admin")
	}
	f.Fuzz(func(t *testing.T, target, role string) {
		if !strings.HasPrefix(target, "/") {
			return
		}
		in := asked(target, role)
		got := set.Decide(t.Context(), in)
		if got.Allow == (got.Reason != "") {
			t.Errorf("allow %v, reason %q", got.Allow, got.Reason)
		}
		for _, reading := range in.Request.Readings() {
			if got.Allow && reading.Path != "/open" {
				t.Errorf("%q allows %q", target, reading.Path)
			}
		}
	})
}
