package command

import (
	"strings"
	"testing"
	"time"
)

// TestTable: columns stand below each other, and nothing in them acts on a terminal.
func TestTable(t *testing.T) {
	table := newTable("NAME", "ROLES")
	table.row("alice", "")
	table.row("bob\x1b[2J", "a\tb")
	var out strings.Builder
	if err := table.write(&out); err != nil {
		t.Fatal(err)
	}
	const want = "NAME          ROLES\nalice         -\n\"bob\\x1b[2J\"  \"a\\tb\"\n"
	if out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
}

// TestState: disabled before all, and an end that is past.
func TestState(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name     string
		disabled bool
		expires  time.Time
		want     string
	}{
		{"for ever", false, time.Time{}, "active"},
		{"disabled", true, now.Add(time.Hour), "disabled"},
		{"for a while", false, now.Add(time.Hour), "until 2026-05-01T13:00:00Z"},
		{"at its end", false, now, "expired 2026-05-01T12:00:00Z"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := accountState(test.disabled, test.expires, now); got != test.want {
				t.Errorf("got %q", got)
			}
		})
	}
}
