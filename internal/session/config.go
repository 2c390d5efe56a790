package session

import (
	"errors"
	"fmt"
	"time"
)

const (
	// DefaultIdle is within what NIST SP 800-63B-3 asks of its second level (R-SES-3).
	DefaultIdle = 30 * time.Minute
	// DefaultLifetime is as well.
	DefaultLifetime = 12 * time.Hour
	// MinMaxAuthAge is the minimum of Config.MaxAuthAge. Below it, the redirects of a sign-in
	// and the clocks of two machines take a large part of the time.
	MinMaxAuthAge = time.Minute
	// DefaultMaxPerUser is more browsers than a person has.
	DefaultMaxPerUser = 100
	// MaxMaxPerUser is the maximum of Config.MaxPerUser: each sign-in reads all sessions of
	// the person.
	MaxMaxPerUser = 1000
)

// Config configures the sessions of a site.
type Config struct {
	// Cookie is the cookie that holds session IDs.
	Cookie Cookie
	// Idle is how long a session may be unused, and Lifetime is how long it may
	// exist. Zero means DefaultIdle and DefaultLifetime.
	Idle, Lifetime time.Duration
	// MaxAuthAge is how long after the user's sign-in, which may be one at a provider,
	// a session counts: at least MinMaxAuthAge. Zero means no limit.
	MaxAuthAge time.Duration
	// MaxPerUser is the maximum number of sessions of a person in the store, 1 to
	// MaxMaxPerUser. One more ends the oldest. Zero means DefaultMaxPerUser.
	MaxPerUser int
	// Logins are the IDs of the logins whose sessions are accepted.
	Logins []string
	// InsecureHTTP allows sessions over plain HTTP from other machines.
	InsecureHTTP bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// withDefaults returns the configuration with its defaults.
func (c Config) withDefaults() Config {
	c.Cookie = c.Cookie.WithDefaults()
	if c.Idle == 0 {
		c.Idle = DefaultIdle
	}
	if c.Lifetime == 0 {
		c.Lifetime = DefaultLifetime
	}
	if c.MaxPerUser == 0 {
		c.MaxPerUser = DefaultMaxPerUser
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// check returns an error that names the wrong option.
func (c Config) check() error {
	switch {
	case c.Idle < 0 || c.Lifetime < 0:
		return errors.New("idle and lifetime must be positive, such as idle 30m")
	case c.Idle > c.Lifetime:
		return fmt.Errorf("idle is %s, longer than the lifetime of %s", c.Idle, c.Lifetime)
	case c.MaxAuthAge != 0 && c.MaxAuthAge < MinMaxAuthAge:
		return fmt.Errorf("max_auth_age is %s, below the minimum of 1m", c.MaxAuthAge)
	case c.MaxPerUser < 1 || c.MaxPerUser > MaxMaxPerUser:
		return fmt.Errorf("max_per_user is %d; it must be 1 to %d", c.MaxPerUser, MaxMaxPerUser)
	}
	return c.Cookie.Check()
}
