package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
)

// BenchmarkAccess decides by tables of several lengths; the rule that decides
// is the last but one.
func BenchmarkAccess(b *testing.B) {
	for _, rules := range []int{3, 30, 300} {
		b.Run(fmt.Sprintf("%d rules", rules), func(b *testing.B) {
			table := strings.Builder{}
			table.WriteString("rules:\n")
			for i := range rules - 2 {
				fmt.Fprintf(&table, "  - paths: [/service-%d/*, /other-%d]\n    allow: [{roles: [role-%d]}]\n", i, i, i)
			}
			table.WriteString("  - paths: [/admin/*]\n    allow: [{networks: [10.0.0.0/8]}, {roles: [admin]}]\n  - allow: []\n")
			set := open(b, Config{Access: []string{policytest.NewDir(b).Write("access.yaml", table.String())}, Timeout: time.Minute})
			in := asked("/admin/users/7", "admin")
			b.ReportAllocs()
			for b.Loop() {
				if decision := set.Decide(b.Context(), in); !decision.Allow {
					b.Fatalf("%+v", decision)
				}
			}
		})
	}
}
