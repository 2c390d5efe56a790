package command

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddyserver/caddy/v2"
)

// expiry is the flag --expires: a time, the zero one for never.
type expiry struct {
	time time.Time
	now  func() time.Time
}

// addExpires adds the flag for when a user or a key stops counting.
func addExpires(cmd *cobra.Command) *expiry {
	e := &expiry{now: time.Now}
	cmd.Flags().Var(e, "expires", "when it expires: a date, a time or a duration from now, such as 90d (never)")
	return e
}

// String returns what was set.
func (e *expiry) String() string {
	if e.time.IsZero() {
		return ""
	}
	return e.time.Format(time.RFC3339)
}

// Type names the flag's values in help.
func (e *expiry) Type() string { return "time" }

// Set takes a time of RFC 3339, a date, which means its first moment in UTC, or
// how long from now.
func (e *expiry) Set(text string) error {
	if span, err := caddy.ParseDuration(text); err == nil {
		e.time = e.now().Add(span).UTC().Truncate(time.Second)
	} else if e.time, err = time.Parse(time.DateOnly, text); err != nil {
		if e.time, err = time.Parse(time.RFC3339, text); err != nil {
			return fmt.Errorf("want a date (2027-01-01), a time (2027-01-01T12:00:00Z) or how long from now (90d, 12h)")
		}
	}
	if !e.time.After(e.now()) {
		return fmt.Errorf("%s is in the past", e.time.Format(time.RFC3339))
	}
	return nil
}
