package builtins

import (
	"slices"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// TestDeterministic: the list names functions that there are, and none that OPA itself
// calls not deterministic.
func TestDeterministic(t *testing.T) {
	for name := range deterministic {
		builtin := ast.BuiltinMap[name]
		if builtin == nil || builtin.Nondeterministic {
			t.Errorf("%s: %v", name, builtin)
		}
	}
	for _, name := range append(slices.Clone(external), "io.jwt.decode_verify", "crypto.x509.parse_and_verify_certificates", "json.match_schema", "print", "trace", "time.now_ns") {
		if deterministic[name] {
			t.Errorf("%s is not deterministic", name)
		}
	}
}
