// Package caddyfileutil parses the blocks of a Caddyfile from tables of subdirectives, so
// that every mistake gets the same kind of error: the line, the bad word, and the allowed
// words.
package caddyfileutil

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/textutil"
)

// Subdirectives has the function that parses each subdirective of a block. It is called with
// the dispenser on the name of the subdirective.
type Subdirectives map[string]func(d *caddyfile.Dispenser) error

// Block parses the block that follows, if any. Errors name what the block configures.
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

// NoArgs returns an error if the line of a subdirective that takes only a block has an
// argument; line is an example of a line in that block.
func NoArgs(d *caddyfile.Dispenser, what, line string) error {
	if d.NextArg() {
		return d.Errf("%s takes a block, not %q: write lines such as %s between { and }", what, d.Val(), line)
	}
	return nil
}

// NoBlock returns an error if the line opens a block.
func NoBlock(d *caddyfile.Dispenser, what string) error {
	if d.NextBlock(d.Nesting()) {
		return d.Errf("%s takes no block", what)
	}
	return nil
}

// Unknown returns the message for a word that is not allowed. It suggests the nearest
// allowed word and lists all.
func Unknown(what, word string, allowed []string) string {
	slices.Sort(allowed)
	text := fmt.Sprintf("unknown %s: %s", what, word)
	return text + textutil.DidYouMean(word, allowed) + "; allowed: " + strings.Join(allowed, " ")
}
