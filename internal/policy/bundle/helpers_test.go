package bundle

import (
	"cmp"
	"strings"
	"testing"
)

// refused checks that options do not load, and what the error says.
func refused(t *testing.T, options Options, wants ...string) {
	t.Helper()
	options.Decision = cmp.Or(options.Decision, "data.caddy.authz.allow")
	_, err := Read(t.Context(), options, Checker{})
	if err == nil {
		t.Fatal("it was loaded")
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
}
