package authenticator

import (
	"strings"
	"testing"
)

// TestCheckRealm: R-CH-5, R-CH-6.
func TestCheckRealm(t *testing.T) {
	for realm, want := range map[string]bool{
		"restricted": true, `say "hi" \o/`: true, strings.Repeat("a", 200): true,
		"a\r\nb": false, "a\x00": false, "a\x7f": false, "Zoë": false, "": false, strings.Repeat("a", 201): false,
	} {
		if err := CheckRealm(realm); (err == nil) != want {
			t.Errorf("%q: %v", realm, err)
		}
	}
}
