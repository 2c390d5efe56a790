package policy

import (
	"testing"
)

// TestWhoDecides: neither table nor policy, one of them, or both (product.md, section 4).
func TestWhoDecides(t *testing.T) {
	d := newDir(t)
	table := d.write("access.yaml", "rules:\n  - paths: [/*]\n    allow: [{roles: [admin]}]\n")
	own := d.write("own.rego", "package caddy.authz\n\nallow if data.caddy.access.allow\n\nallow if input.request.path == \"/open\"\n")
	other := d.write("other.rego", "package my.rules\n\nok := input.request.path == \"/mine\"\n")
	tests := []struct {
		name, target, role string
		config             Config
		want               bool
	}{
		{"neither, known", "/", "x", Config{}, true},
		{"neither, anonymous", "/", "", Config{}, false},
		{"table", "/", "admin", Config{Access: []string{table}}, true},
		{"table, another role", "/", "x", Config{Access: []string{table}}, false},
		{"both, by the table", "/", "admin", Config{Access: []string{table}, Sources: []string{own}}, true},
		{"both, by the policy", "/open", "", Config{Access: []string{table}, Sources: []string{own}}, true},
		{"both, by neither", "/", "x", Config{Access: []string{table}, Sources: []string{own}}, false},
		{"another rule", "/mine", "", Config{Sources: []string{other}, Decision: "data.my.rules.ok"}, true},
		{"another rule, denied", "/", "", Config{Sources: []string{other}, Decision: "data.my.rules.ok"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := open(t, test.config).Decide(t.Context(), asked(test.target, test.role)); got.Allow != test.want {
				t.Errorf("got %+v", got)
			}
		})
	}
}
