package sharelink

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// DefaultMaxAge is how long links may last unless a site says otherwise.
const DefaultMaxAge = 30 * 24 * time.Hour

// DefaultAge is how long a link lasts for which no end is given, unless the site allows
// less.
const DefaultAge = 7 * 24 * time.Hour

// ParseUntil returns the time at which a link ends: a duration from now such as 7d, a time
// of RFC 3339, or a date, which means the end of that day where now is.
func ParseUntil(text string, now time.Time) (time.Time, error) {
	until, err := parseUntil(text, now)
	switch {
	case err != nil:
		return time.Time{}, fmt.Errorf("until: %.60q is neither a duration (7d, 12h) nor a time (2026-12-31T18:00:00Z) nor a date (2026-12-31)", text)
	case !until.After(now):
		return time.Time{}, fmt.Errorf("until: %s is in the past", until.Format(time.RFC3339))
	}
	return until.UTC().Truncate(time.Second), nil
}

func parseUntil(text string, now time.Time) (time.Time, error) {
	if span, err := caddy.ParseDuration(text); err == nil {
		return now.Add(span), nil
	}
	if day, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		return day.AddDate(0, 0, 1).Add(-time.Second), nil
	}
	return time.Parse(time.RFC3339, text)
}

// limit sets the end of a link that has none, and returns an error for one that lasts
// longer than maxAge.
func (l *Link) limit(maxAge time.Duration) error {
	if l.Until.IsZero() {
		l.Until = l.Created.Add(min(DefaultAge, maxAge))
	}
	if age := l.Until.Sub(l.Created); age > maxAge+time.Second {
		return fmt.Errorf("until: %s is %s from now, and max_age of links allows at most %s on this site", l.Until.Format(time.RFC3339), inDays(age), inDays(maxAge))
	}
	return nil
}

// inDays writes a duration as in a Caddyfile, in days if it has whole ones.
func inDays(age time.Duration) string {
	if days := age.Round(time.Minute) / (24 * time.Hour); days > 0 {
		if rest := age.Round(time.Minute) % (24 * time.Hour); rest != 0 {
			return fmt.Sprintf("%dd%s", days, rest)
		}
		return fmt.Sprintf("%dd", days)
	}
	return age.String()
}
