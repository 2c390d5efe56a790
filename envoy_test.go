package policyauth

import (
	"strings"
	"testing"
)

// TestOPAEnvoy: a policy of opa-envoy-plugin behind the handler: it sees the
// credential, nobody else does, and its answers are the client's (R-BR-12).
func TestOPAEnvoy(t *testing.T) {
	w := newWorld(t)
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
	if err != nil || recorder.Code != 200 || recorder.Header().Get("X-Policy") != "yes" || next.request.Header.Get("X-User") != "alice" {
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
