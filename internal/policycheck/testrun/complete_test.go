package testrun

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestComplete: a part of an input becomes a whole one, and what no server gives
// is an error that says where it stands (T-74).
func TestComplete(t *testing.T) {
	tests := []struct {
		name, part string
		want       string // is in the result, or in the error
		ok         bool
	}{
		{"nothing", `{}`, `"kind":"anonymous"`, true},
		{"a path", `{"request": {"path": "/a/b"}}`, `"segments":["a","b"]`, true},
		{"a caller", `{"identity": {"id": "bob", "roles": ["member"]}}`, `"authenticated":true`, true},
		{"a time as it is written", `{"request": {"time_ns": 1700000000000000001}}`, `"time_ns":1700000000000000001`, true},
		{"constants", `{"config": {"team": ["blue"]}}`, `"config":{"team":["blue"]}`, true},
		{"a body", `{"request": {"body": {"a": 1}}}`, `"body":{"a":1}`, true},
		{"a misspelt section", `{"identiy": {"id": "bob"}}`, "input: Additional property identiy is not allowed; allowed: client config contract ", false},
		{"a misspelt field", `{"identity": {"rolls": []}}`, "input.identity: Additional property rolls is not allowed; allowed: acr amr ", false},
		{"a wrong kind", `{"identity": {"roles": "member"}}`, "input.identity.roles: ", false},
		{"an unknown word", `{"identity": {"kind": "usr"}}`, "input.identity.kind: ", false},
		{"a section that is none", `{"request": 1}`, "its sections are objects", false},
		{"headers that are none", `{"request": {"headers": 1}}`, "input.request.headers: ", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			decoder := json.NewDecoder(strings.NewReader(test.part))
			decoder.UseNumber()
			var part map[string]any
			if err := decoder.Decode(&part); err != nil {
				t.Fatal(err)
			}
			whole, err := Complete(t.Context(), part)
			if (err == nil) != test.ok {
				t.Fatalf("got %v, %v", whole, err)
			}
			got, failed := json.Marshal(whole)
			if failed != nil {
				t.Fatal(failed)
			}
			if err != nil {
				got = []byte(err.Error())
			}
			if !strings.Contains(string(got), test.want) {
				t.Errorf("got %s", got)
			}
		})
	}
}
