package counterexample

import (
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
)

// TestCheckTable: a table alone is checked without compiling or evaluating Rego, and
// what loading warns of is told.
func TestCheckTable(t *testing.T) {
	table := policytest.NewDir(t).Write("access.yaml", "rules:\n  - paths: [/*]\n    allow: [{roles: [a]}]\n  - paths: [/b]\n    allow: []\n")
	config := policy.Config{Access: []string{table}}
	report := checked(t, config, CheckOptions{})
	if len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "never decides about /b") || report.Evaluations != 0 || report.Findings == nil {
		t.Errorf("got %+v", report)
	}
	const compiling = 20_000 // allocations are far more
	if got := testing.AllocsPerRun(1, func() { checked(t, config, CheckOptions{}) }); got > compiling {
		t.Errorf("%v allocations", got)
	}
}
