package policy

import (
	"strings"
	"testing"
)

// TestShadowedReported: the warnings are in the report of a load and of check, also
// of the next load of the same table, and there is no more than a page of them.
func TestShadowedReported(t *testing.T) {
	d := newDir(t)
	table := d.write("access.yaml", "rules:\n  - allow: [{authenticated: true}]\n"+strings.Repeat("  - {paths: [/admin/*], allow: [{roles: [admin]}]}\n", 3*maxErrors))
	set := open(t, Config{Access: []string{table}})
	for range 2 {
		warnings := set.live.Load().warnings
		if len(warnings) != maxErrors+1 || !strings.Contains(warnings[0], "access.yaml:3:5") || !strings.HasPrefix(warnings[maxErrors], "and ") {
			t.Fatalf("got %q", warnings)
		}
		d.write("authz.rego", "package other\n")
		if err := set.Reload(); err != nil {
			t.Fatal(err)
		}
	}
}
