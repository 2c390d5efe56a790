package counterexample_test

import (
	"reflect"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/policycheck/counterexample"
)

// TestComplete: a part of an input becomes a whole one, in which all forms of the
// same thing agree.
func TestComplete(t *testing.T) {
	const base = `{"contract": "caddy/v1", "request": {"path": "/", "path_folded": "/", "segments": [], "raw_path": "/", "rewritten_path": "/", "headers": {}, "header_values": {}},
		"identity": {"authenticated": false, "kind": "anonymous", "id": "", "username": "", "method": "", "roles": []}}`
	tests := []struct{ name, part, section, want string }{
		{"nothing", `{}`, "identity", `{"authenticated": false, "kind": "anonymous", "id": "", "username": "", "method": "", "roles": []}`},
		{"a role", `{"identity": {"roles": ["admin"]}}`, "identity", `{"authenticated": true, "kind": "user", "id": "alice", "username": "alice", "method": "jwt", "roles": ["admin"]}`},
		{"nobody", `{"identity": {"kind": "anonymous"}}`, "identity", `{"authenticated": false, "kind": "anonymous", "id": "", "username": "", "method": "", "roles": []}`},
		{"nobody, as said", `{"identity": {"authenticated": false, "roles": ["x"]}}`, "identity", `{"authenticated": false, "kind": "anonymous", "id": "", "username": "", "method": "", "roles": ["x"]}`},
		{"somebody", `{"identity": {"id": "bob", "kind": "client"}}`, "identity", `{"authenticated": true, "kind": "client", "id": "bob", "username": "alice", "method": "jwt", "roles": []}`},
		{"a path", `{"request": {"path": "/A/b"}}`, "request", `{"path": "/A/b", "path_folded": "/a/b", "segments": ["A", "b"], "raw_path": "/A/b", "rewritten_path": "/A/b", "headers": {}, "header_values": {}}`},
		{"segments", `{"request": {"segments": ["a", "b"]}}`, "request", `{"path": "/a/b", "path_folded": "/a/b", "segments": ["a", "b"], "raw_path": "/a/b", "rewritten_path": "/a/b", "headers": {}, "header_values": {}}`},
		{"a rewritten path", `{"request": {"path": "/a", "rewritten_path": "/b"}}`, "request", `{"path": "/a", "path_folded": "/a", "segments": ["a"], "raw_path": "/a", "rewritten_path": "/b", "headers": {}, "header_values": {}}`},
		{"headers", `{"request": {"headers": {"x": "1"}}}`, "request", `{"path": "/", "path_folded": "/", "segments": [], "raw_path": "/", "rewritten_path": "/", "headers": {"x": "1"}, "header_values": {"x": ["1"]}}`},
		{"lines of headers", `{"request": {"header_values": {"x": ["1", "2"]}}}`, "request", `{"path": "/", "path_folded": "/", "segments": [], "raw_path": "/", "rewritten_path": "/", "headers": {"x": "1, 2"}, "header_values": {"x": ["1", "2"]}}`},
		{"what is no object", `{"request": 1}`, "contract", `"caddy/v1"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			whole := counterexample.Complete(object(t, test.part), object(t, base))
			if want := object(t, `{"x": `+test.want+`}`)["x"]; !reflect.DeepEqual(whole[test.section], want) {
				t.Errorf("got %v, want %v", whole[test.section], want)
			}
		})
	}
}
