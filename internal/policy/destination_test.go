package policy

import (
	"slices"
	"testing"
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
		set               *Set
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
