// Package grammar parses blocks of a Caddyfile by tables from a word to what
// it sets, so that every mistake gets the same kind of error: its line, the
// bad word, and the words that are allowed there.
package caddyfileutil

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/dustin/go-humanize"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Subdirectives is the table of a block: what to do for each word that a line may
// begin with. The function is called with the dispenser on the word.
type Subdirectives map[string]func(d *caddyfile.Dispenser) error

// Block parses the block that follows, if any. What names the thing that the
// block configures, for errors.
func Block(d *caddyfile.Dispenser, what string, words Subdirectives) error {
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		parse, known := words[d.Val()]
		if !known {
			return d.Errf("%s", Unknown("word in "+what, d.Val(), slices.Collect(maps.Keys(words))))
		}
		if err := parse(d); err != nil {
			return err
		}
	}
	return nil
}

// NoArgs returns an error if an argument stands on the line of a word that
// takes a block alone; line is an example of a line of that block.
func NoArgs(d *caddyfile.Dispenser, what, line string) error {
	if d.NextArg() {
		return d.Errf("%s takes a block, not %q: write lines such as %s between { and }", what, d.Val(), line)
	}
	return nil
}

// NoBlock returns an error if a block follows.
func NoBlock(d *caddyfile.Dispenser, what string) error {
	if d.NextBlock(d.Nesting()) {
		return d.Errf("%s takes no block", what)
	}
	return nil
}

// Unknown says that a word is not one of the allowed ones, names the nearest
// if there is one near, and lists all.
func Unknown(what, word string, allowed []string) string {
	slices.Sort(allowed)
	text := fmt.Sprintf("unknown %s: %s", what, word)
	if near := Nearest(word, allowed); near != "" {
		text += fmt.Sprintf("; did you mean %s?", near)
	}
	return text + "; allowed: " + strings.Join(allowed, " ")
}

// Nearest returns the allowed word that the given one is most likely a misspelling
// of, or "": one edit away, or two if both have at least five letters, or five if
// both begin with the same five letters (policy, basic_auth). Two neighbouring
// letters that changed places are one edit.
func Nearest(word string, allowed []string) string {
	best, distance := "", 6
	word = strings.ToLower(word)
	for _, candidate := range allowed {
		d := levenshtein.ComputeDistance(word, candidate)
		if swapped(word, candidate) {
			d = 1
		}
		if d < distance && (d <= 1 || d == 2 && min(len(word), len(candidate)) >= 5 || alike(word, candidate)) {
			best, distance = candidate, d
		}
	}
	return best
}

// swapped reports whether two neighbouring letters make the difference between
// two words.
func swapped(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i+1 < len(a); i++ {
		if a[i] != b[i] {
			return a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
		}
	}
	return false
}

// alike reports whether two words begin with the same five letters.
func alike(a, b string) bool { return len(a) >= 5 && len(b) >= 5 && a[:5] == b[:5] }

// OneArg returns the line's one argument.
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

// AtLeastOneArg returns the line's arguments, at least one and none empty.
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

// String sets target to the line's one argument; a second line is an error.
func String(target *string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		if *target != "" {
			return d.Errf("%s is set twice", word)
		}
		value, err := OneArg(d)
		*target = value
		return err
	}
}

// Strings appends the line's arguments to target.
func Strings(target *[]string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		values, err := AtLeastOneArg(d)
		*target = append(*target, values...)
		return err
	}
}

// Flag sets target; the line has no argument.
func Flag(target *bool) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		if d.NextArg() {
			return d.Errf("%s stands alone, without %q", word, d.Val())
		}
		*target = true
		return NoBlock(d, word)
	}
}

// Duration sets target to the line's one argument, such as 15m or 30d; it must
// be positive.
func Duration(target *caddy.Duration) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		if *target != 0 {
			return d.Errf("%s is set twice", word)
		}
		value, err := OneArg(d)
		if err != nil {
			return err
		}
		duration, err := caddy.ParseDuration(value)
		if err != nil || duration <= 0 {
			return d.Errf("%s wants a positive duration such as 15m or 100ms, not %q", word, value)
		}
		*target = caddy.Duration(duration)
		return nil
	}
}

// Size sets target to the line's one argument, such as 1MiB, in bytes; it must
// be positive.
func Size(target *int64) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		if *target != 0 {
			return d.Errf("%s is set twice", word)
		}
		value, err := OneArg(d)
		if err != nil {
			return err
		}
		size, err := humanize.ParseBytes(value)
		if _, bare := strconv.ParseFloat(value, 64); bare == nil && size > 0 {
			return d.Errf("%s wants a size with its unit, such as %sMiB, not %q, which would be bytes", word, value, value)
		}
		if err != nil || size == 0 || size > math.MaxInt64 {
			return d.Errf("%s wants a size such as 1MiB, not %q", word, value)
		}
		*target = int64(size)
		return nil
	}
}

// Int sets target to the line's one argument, from 1 to most.
func Int(target *int, most int) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		if *target != 0 {
			return d.Errf("%s is set twice", word)
		}
		value, err := OneArg(d)
		if err != nil {
			return err
		}
		number, err := strconv.Atoi(value)
		if err != nil || number < 1 || number > most {
			return d.Errf("%s wants a number from 1 to %d, not %q", word, most, value)
		}
		*target = number
		return nil
	}
}

// Enum sets target to the line's one argument, which must be one of allowed.
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
