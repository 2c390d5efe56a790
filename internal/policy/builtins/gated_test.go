package builtins

import (
	"slices"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// TestCapabilities: the capabilities lack what reaches out or may compute for long,
// unless it is named, and nothing else (T-49).
func TestCapabilities(t *testing.T) {
	names := func(c *ast.Capabilities) map[string]bool {
		result := map[string]bool{}
		for _, builtin := range c.Builtins {
			result[builtin.Name] = true
		}
		return result
	}
	all := names(ast.CapabilitiesForThisVersion())
	for _, named := range [][]string{nil, {"http.send"}, {"opa.runtime", "net.lookup_ip_addr"}, Gated()} {
		there := names(Capabilities(named))
		for name := range all {
			off := slices.Contains(Gated(), name)
			for _, n := range named {
				off = off && n != name
			}
			if there[name] == off {
				t.Errorf("%v: %s is there: %v", named, name, there[name])
			}
		}
	}
}
