package caddyfileutil

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// OneArg returns the only argument of a line.
func OneArg(d *caddyfile.Dispenser) (string, error) {
	word, args := d.Val(), d.RemainingArgs()
	if len(args) > 1 {
		return "", d.Errf("%s wants one argument, not %d (quote one that has spaces)", word, len(args))
	}
	if len(args) == 0 {
		return "", d.Errf("%s wants one argument, not 0", word)
	}
	if args[0] == "" {
		return "", d.Err("the argument is empty")
	}
	return args[0], nil
}

// AtLeastOneArg returns the arguments of a line, at least one and none empty.
func AtLeastOneArg(d *caddyfile.Dispenser) ([]string, error) {
	word := d.Val()
	args := d.RemainingArgs()
	if len(args) == 0 {
		return nil, d.Errf("%s wants an argument", word)
	}
	if slices.Contains(args, "") {
		return nil, d.Errf("an argument of %s is empty", word)
	}
	return args, nil
}

// set sets target to the parsed only argument of a line; a second line is an error.
func set[T comparable](target *T, parse func(d *caddyfile.Dispenser, word, value string) (T, error)) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		if *target != *new(T) {
			return d.Errf("%s is set twice; remove one of the lines", word)
		}
		value, err := OneArg(d)
		if err != nil {
			return err
		}
		parsed, err := parse(d, word, value)
		if err == nil {
			*target = parsed
		}
		return err
	}
}

// String sets target to the only argument of a line; a second line is an error.
func String(target *string) func(*caddyfile.Dispenser) error {
	return set(target, func(_ *caddyfile.Dispenser, _, value string) (string, error) { return value, nil })
}

// Strings appends the arguments of a line to target.
func Strings(target *[]string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		values, err := AtLeastOneArg(d)
		*target = append(*target, values...)
		return err
	}
}

// Flag sets target; the line takes no argument.
func Flag(target *bool) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		if d.NextArg() {
			return d.Errf("%s takes no argument; remove %q", word, d.Val())
		}
		*target = true
		return NoBlock(d, word)
	}
}

// Duration sets target to the only argument of a line, a positive duration such as 15m or
// 30d.
func Duration(target *caddy.Duration) func(*caddyfile.Dispenser) error {
	return set(target, func(d *caddyfile.Dispenser, word, value string) (caddy.Duration, error) {
		duration, err := caddy.ParseDuration(value)
		if err != nil || duration <= 0 {
			return 0, d.Errf("%s wants a positive duration such as 15m or 100ms, not %q", word, value)
		}
		return caddy.Duration(duration), nil
	})
}

// Size sets target to the only argument of a line, a positive size such as 1MiB, in bytes.
func Size(target *int64) func(*caddyfile.Dispenser) error {
	return set(target, func(d *caddyfile.Dispenser, word, value string) (int64, error) {
		size, err := humanize.ParseBytes(value)
		if _, bare := strconv.ParseFloat(value, 64); bare == nil && size > 0 {
			return 0, d.Errf("%s wants a size with its unit, such as %sMiB, not %q, which would be bytes", word, value, value)
		}
		if err != nil || size == 0 || size > math.MaxInt64 {
			return 0, d.Errf("%s wants a size such as 1MiB, not %q", word, value)
		}
		return int64(size), nil
	})
}

// Int sets target to the only argument of a line, a number from 1 to most.
func Int(target *int, most int) func(*caddyfile.Dispenser) error {
	return set(target, func(d *caddyfile.Dispenser, word, value string) (int, error) {
		number, err := strconv.Atoi(value)
		if err != nil || number < 1 || number > most {
			return 0, d.Errf("%s wants a number from 1 to %d, not %q", word, most, value)
		}
		return number, nil
	})
}

// Enum sets target to the only argument of a line, which must be one of allowed.
func Enum(target *string, allowed ...string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		if count := d.CountRemainingArgs(); count != 1 {
			return d.Errf("%s wants one of: %s, such as %s %s, not %d arguments", word, strings.Join(allowed, " "), word, allowed[0], count)
		}
		if err := String(target)(d); err != nil {
			return err
		}
		if !slices.Contains(allowed, *target) {
			return d.Errf("%s", Unknown("value of "+word, *target, allowed))
		}
		return nil
	}
}
