package authn

import (
	"fmt"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

const (
	// defaultFailures and defaultWindow are the limits if none are configured.
	defaultFailures = 10
	defaultWindow   = 5 * time.Minute
	// maxFailures is the maximum of Throttle.Failures.
	maxFailures = 1000
)

// Throttle limits failures.
type Throttle struct {
	// The number of failures that are allowed, 1 to 1000.
	Failures int `json:"failures"`
	// The period in which they are counted.
	Window caddy.Duration `json:"window"`
}

func defaultThrottle() *Throttle {
	return &Throttle{Failures: defaultFailures, Window: caddy.Duration(defaultWindow)}
}

// check reports limits that are none; nil is the default.
func (t *Throttle) check() error {
	if t != nil && (t.Failures < 1 || t.Failures > maxFailures || t.Window <= 0) {
		return fmt.Errorf("throttle wants 1 to %d failures and a positive window", maxFailures)
	}
	return nil
}

// parseThrottle parses
//
//	throttle <failures> <window>
func parseThrottle(target **Throttle) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		var failures, window string
		if *target != nil {
			return d.Err("throttle is set twice")
		}
		if !d.AllArgs(&failures, &window) {
			return d.Err("throttle wants failures and a window, such as throttle 10 5m")
		}
		n, err := strconv.Atoi(failures)
		if err != nil || n < 1 || n > maxFailures {
			return d.Errf("throttle wants a number of failures from 1 to %d, not %q", maxFailures, failures)
		}
		duration, err := caddy.ParseDuration(window)
		if err != nil || duration <= 0 {
			return d.Errf("throttle wants a window such as 5m, not %q", window)
		}
		*target = &Throttle{Failures: n, Window: caddy.Duration(duration)}
		return nil
	}
}
