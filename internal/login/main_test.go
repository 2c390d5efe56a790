package login

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain holds that nothing goes on once everything is closed. A cache cleans
// itself up until it is collected.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/maypok86/otter/v2.periodicCleanUp[...]"))
}
