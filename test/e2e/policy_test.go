//go:build e2e

package e2e

import (
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
)

// TestE2ERequireTests: issue 5, point 3. Policies whose tests fail do not start a
// server, and do not go live on a running one: the admin status, the log and the
// metric say which test failed, and where.
func TestE2ERequireTests(t *testing.T) {
	w := newEnv(t)
	const good, wrong = "package caddy.authz\n\nallow if input.identity.kind == \"user\"\n", "package caddy.authz\n\nallow if true\n"
	w.Write("policies/authz.rego", good)
	w.Write("policies/authz_test.rego", "package caddy.authz_test\n\nimport data.caddy.authz\nimport data.caddy.testing\n\ntest_nobody if {\n\tnot authz.allow with input as testing.complete({})\n}\n")
	s, url := w.serve("policy_auth {\nbasic {\n users DIR/users.yaml\n }\n policies DIR/policies {\n require_tests\n }\n}\nrespond protected")
	nobody := func(want int) {
		t.Helper()
		if status, _, _ := do(t, "GET", url+"/", ""); status != want {
			t.Errorf("nobody gets %d", status)
		}
	}
	nobody(401)
	w.Write("policies/authz.rego", wrong)
	const failure = "authz_test.rego:6: the test data.caddy.authz_test.test_nobody failed"
	if status, _, body := do(t, "POST", s.admin+"/policy_auth/policies/reload", ""); status != 422 || !strings.Contains(body, failure) {
		t.Errorf("%d %s", status, body)
	}
	nobody(401)
	if _, _, body := do(t, "GET", s.admin+"/policy_auth/policies", ""); !strings.Contains(body, failure) {
		t.Errorf("the status is %s", body)
	}
	if _, _, body := do(t, "GET", s.admin+"/metrics", ""); !strings.Contains(body, `caddy_policy_auth_policy_reloads_total{outcome="failure"}`) {
		t.Error("the metric does not count the failure")
	}
	if !strings.Contains(s.logged(), failure) {
		t.Error("the log does not tell the failure")
	}
	validate := exec.Command(binary(t), "validate", "--config", "Caddyfile")
	validate.Dir = w.Dir
	if output, err := validate.CombinedOutput(); err == nil || !strings.Contains(string(output), failure) {
		t.Errorf("%v\n%s", err, output)
	}
	w.Write("policies/authz.rego", good)
	if status, _, body := do(t, "POST", s.admin+"/policy_auth/policies/reload", ""); status != 200 {
		t.Errorf("%d %s", status, body)
	}
}

// TestE2EDecision: issue 5, points 5 and 7. What an allow wants done to the
// request is done, and a policy sees the whole body or nobody does (T-46).
func TestE2EDecision(t *testing.T) {
	w := newEnv(t)
	w.Write("keys.yaml", "keys:\n  - {id: build, hash: \"sha256:"+sha(canary)+"\", owner: build}\n")
	w.Write("policies/authz.rego", `package caddy.authz

allow := {
	"allow": true,
	"query_parameters_to_remove": ["debug"],
	"query_parameters_to_set": {"tenant": ["blue"]},
	"dynamic_metadata": {"tenant": {"id": "blue-1"}},
	"log": {"labels": {"rule_of": "the house"}},
	"cache": {"ttl": "1s"},
} if {
	input.request.method == "GET"
}

allow if input.request.body.kind == "note"
`)
	_, url := w.serve("log {\n output stderr\n level DEBUG\n}\npolicy_auth {\n api_key {\n  keys DIR/keys.yaml\n }\n policies DIR/policies\n body {\n  max_size 64B\n }\n}\n" +
		"respond \"{query} {http.policy_auth.vars.tenant.id} {http.request.body}\"")
	if status, _, body := do(t, "GET", url+"/?a=1&debug=1&tenant=red", ""); status != 200 || strings.TrimSpace(body) != "a=1&tenant=blue blue-1" {
		t.Errorf("%d %q", status, body)
	}
	post := func(kind, content string) (int, string) {
		t.Helper()
		response, err := http.Post(url+"/", kind, strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	for _, test := range []struct {
		name, kind, content string
		status              int
	}{
		{"allowed", "application/json", `{"kind": "note"}`, 200},
		{"denied", "application/json", `{"kind": "order"}`, 401},
		{"in two spellings", "application/json", `{"kind": "order", "kind": "note"}`, 400},
		{"too large", "application/json", `{"kind": "note", "text": "` + strings.Repeat("x", 100) + `"}`, 413},
	} {
		status, body := post(test.kind, test.content)
		if status != test.status || status == 200 && !strings.HasSuffix(body, test.content) {
			t.Errorf("%s: %d %s", test.name, status, body)
		}
	}
}

// TestE2EOPAEnvoy: issue 5, point 8. A policy in the manner of opa-envoy-plugin's
// documentation runs as it is.
func TestE2EOPAEnvoy(t *testing.T) {
	w := newEnv(t)
	w.Write("policies/policy.rego", `package envoy.authz

import input.attributes.request.http as http_request

default allow := {"allowed": false, "http_status": 403, "body": "Unauthorized Request", "headers": {"x-refused": "yes"}}

allow := {"allowed": true, "headers": {"x-ext-auth-allow": "yes"}, "response_headers_to_add": {"x-policy": "ours"}} if {
	is_get
	user := user_of(http_request.headers.authorization)
	user.name == "alice"
	input.parsed_path == ["people", "1"]
	input.parsed_query.lang == ["en"]
	http_request.path == "/people/1?lang=en"
}

is_get if http_request.method == "GET"

user_of(header) := {"name": name} if {
	startswith(header, "Basic ")
	[name, _] := split(base64.decode(substring(header, 6, -1)), ":")
}
`)
	_, url := w.serve("policy_auth {\n policies DIR/policies {\n  opa_envoy\n }\n}\nrespond {header.X-Ext-Auth-Allow}")
	for _, test := range []struct {
		target, user string
		status       int
	}{
		{"/people/1?lang=en", "alice", 200},
		{"/people/1?lang=en", "bob", 403},
		{"/people/1?lang=en", "", 403},
		{"/people/2?lang=en", "alice", 403},
		{"/people/1?lang=de", "alice", 403},
	} {
		status, header, body := do(t, "GET", url+test.target, test.user)
		allowed := test.status == 200
		if status != test.status || allowed != (body == "yes" && header.Get("X-Policy") == "ours") || !allowed && (body != "Unauthorized Request" || header.Get("X-Refused") != "yes") {
			t.Errorf("%s as %q: %d %v %s", test.target, test.user, status, header, body)
		}
	}
}
