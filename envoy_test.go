package policyauth

import (
	"strings"
	"testing"
)

// TestOPAEnvoy: a policy of opa-envoy-plugin behind the handler: it sees the
// credential, nobody else does, and its answers are the client's (R-BR-12).
func TestOPAEnvoy(t *testing.T) {
	w := newEnv(t)
	w.Write("p/authz.rego", `package envoy.authz

import input.attributes.request.http as http_request

default allow := {"allowed": false, "http_status": 302, "headers": {"location": "https://id.example/in", "set-cookie": "state=1"}}

allow := {"allowed": true, "headers": {"x-user": "alice"}, "response_headers_to_add": {"x-policy": "yes"}} if {
	http_request.headers.authorization == "Bearer `+canary+`"
	input.parsed_path[0] == "mail"
}
`)
	h, logs := w.site("policies DIR/p {\n opa_envoy\n }\n")
	next := new(reached)
	recorder, err := ask(h, get("/mail/1", "Authorization", "Bearer "+canary), next)
	if err != nil || recorder.Code != 200 || recorder.Header().Get("X-Policy") != "yes" || next.Request.Header.Get("X-User") != "alice" {
		t.Errorf("%d %v %v", recorder.Code, err, recorder.Header())
	}
	recorder, err = ask(h, get("//mail/1"), new(reached))
	if err != nil || recorder.Code != 302 || recorder.Header().Get("Location") != "https://id.example/in" || recorder.Header().Get("Set-Cookie") != "state=1" || recorder.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v %v", recorder.Code, err, recorder.Header())
	}
	for _, entry := range logs.All() {
		for _, field := range entry.Context {
			if strings.Contains(field.String, canary) {
				t.Errorf("the log holds a credential: %v", field)
			}
		}
	}
}

// TestN61OwnChallenge: where no method is configured, a policy's 401 passes if it
// brings a challenge of its own, which is the only one; without, it is a 403, since
// a 401 needs one (R-401-1).
func TestN61OwnChallenge(t *testing.T) {
	w := newEnv(t)
	w.Write("p/authz.rego", `package envoy.authz

allow := {"allowed": false, "http_status": 401, "headers": {"www-authenticate": "Bearer realm=\"api\""}} if input.parsed_path[0] == "own"

allow := {"allowed": false, "http_status": 401} if input.parsed_path[0] == "none"

allow := {"allowed": false, "http_status": 401, "headers": {"www-authenticate": ""}} if input.parsed_path[0] == "empty"

allow := {"allowed": false, "headers": {"www-authenticate": "Bearer realm=\"api\""}} if input.parsed_path[0] == "other"
`)
	h, _ := w.site("policies DIR/p {\n opa_envoy\n }\n")
	for path, want := range map[string]int{"/own": 401, "/none": 403, "/empty": 403, "/other": 403} {
		recorder, err := ask(h, get(path), new(reached))
		if err != nil || recorder.Code != want {
			t.Errorf("N-61 %s: %d %v", path, recorder.Code, err)
		}
		challenges := recorder.Header().Values("WWW-Authenticate")
		if want == 401 && (len(challenges) != 1 || challenges[0] != `Bearer realm="api"`) {
			t.Errorf("N-61 %s: challenges %q", path, challenges)
		}
	}
}
