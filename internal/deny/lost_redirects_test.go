package deny

import (
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// TestN44LostRedirects: redirects that get nowhere are told of once, with the remedy.
func TestN44LostRedirects(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	tests := []struct {
		name  string
		after []time.Duration
		come  int // who arrives, counted from 1; 0 is none
		warns int
	}{
		{"N-44 none arrives", []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second, time.Hour}, 0, 1},
		{"N-44 two are few", []time.Duration{0, time.Hour}, 0, 0},
		{"N-44 tabs that open at once", []time.Duration{0, 1, 2, 3}, 0, 0},
		{"N-44 the first arrives", []time.Duration{0, time.Second, 2 * time.Second, time.Hour}, 1, 0},
		{"N-44 the second arrives", []time.Duration{0, time.Second, 2 * time.Second, time.Hour}, 2, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			core, logs := observer.New(zapcore.WarnLevel)
			var a LostRedirects
			for i, after := range test.after {
				a.Sent(start.Add(after), zap.New(core))
				if i+1 == test.come {
					a.Arrived()
				}
			}
			if logs.Len() != test.warns {
				t.Errorf("%d warnings", logs.Len())
			}
		})
	}
}
