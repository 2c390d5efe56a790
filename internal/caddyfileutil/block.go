// Package grammar parses blocks of a Caddyfile by tables from a word to what
// it sets, so that every mistake gets the same kind of error: its line, the
// bad word, and the words that are allowed there.
package caddyfileutil

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/textutil"
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
	return text + textutil.DidYouMean(word, allowed) + "; allowed: " + strings.Join(allowed, " ")
}
