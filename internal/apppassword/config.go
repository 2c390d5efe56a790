package apppassword

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The defaults and limits of Config, and of names.
const (
	DefaultMaxAge = 90 * 24 * time.Hour
	// DefaultSignInWithin is for people whose login learns of changes without a sign-in,
	// and ShortSignInWithin for others (S-18).
	DefaultSignInWithin = 30 * 24 * time.Hour
	ShortSignInWithin   = 7 * 24 * time.Hour
	DefaultMax          = 20
	// MinLifetime is the minimum of MaxAge and SignInWithin, and MaxMax that of Max.
	MinLifetime = time.Minute
	MaxMax      = 1000
	// MaxName is how many characters a name has at most.
	MaxName = 64
)

// Config configures the app passwords of a site.
type Config struct {
	// MaxAge is how long a password counts; 0 means DefaultMaxAge.
	MaxAge time.Duration
	// SignInWithin is how long passwords count after their owner last signed in on the
	// site; 0 means DefaultSignInWithin, or ShortSignInWithin where the login does not
	// learn of changes without a sign-in.
	SignInWithin time.Duration
	// Scopes are the scopes that a password may have; it has none of them unless its
	// owner chooses it.
	Scopes []string
	// Max is how many passwords a person may have on the site; 0 means DefaultMax.
	Max int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Check returns an error for an option out of its range. It names the option.
func (c Config) Check() error {
	switch {
	case c.MaxAge != 0 && c.MaxAge < MinLifetime:
		return fmt.Errorf("max_age is %s, below the minimum of 1m", c.MaxAge)
	case c.SignInWithin != 0 && c.SignInWithin < MinLifetime:
		return fmt.Errorf("sign_in_within is %s, below the minimum of 1m", c.SignInWithin)
	case c.Max < 0 || c.Max > MaxMax:
		return fmt.Errorf("max is %d, want 1 to %d", c.Max, MaxMax)
	}
	for i, scope := range c.Scopes {
		switch {
		case !isScope(scope):
			return fmt.Errorf("scopes: %q is not a scope, which is of printable ASCII without spaces, quotes and backslashes (RFC 6749, section 3.3)", scope)
		case slices.Contains(c.Scopes[:i], scope):
			return fmt.Errorf("scopes: %s is listed twice; remove one", scope)
		}
	}
	return nil
}

func isScope(text string) bool {
	return text != "" && len(text) <= 256 && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' })
}
