package caddyfileutil

import (
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// ValidatedBlock parses the block that follows, as Block does, and then calls check. It adds
// the line to an error of check: the line of the subdirective that the text names after a
// colon ("jwt any: leeway: 10m0s is out of range"). If there are several such lines, it is
// the one whose arguments the text repeats; if there is none, the first line of the block.
func ValidatedBlock(d *caddyfile.Dispenser, what string, words Subdirectives, check func() error) error {
	start := *d
	if err := Block(d, what, words); err != nil {
		return err
	}
	if err := check(); err != nil {
		return lineOf(start, words, err.Error()).WrapErr(err)
	}
	return nil
}

// lineOf returns a dispenser at the line of a block to which an error refers. start is at the
// last token before the block.
func lineOf(start caddyfile.Dispenser, words Subdirectives, text string) *caddyfile.Dispenser {
	at, parts := start, strings.Split(text, ": ")
	for len(parts) > 0 && words[firstWord(parts[0])] == nil {
		parts = parts[1:]
	}
	for known := true; known && len(parts) > 0; {
		var next caddyfile.Dispenser
		if next, known = bestLine(at, firstWord(parts[0]), text); known {
			at, parts = next, parts[1:]
		}
	}
	return &at
}

// bestLine returns a dispenser at the last argument of the line after d that begins with a
// word, and whether there is one. Of several lines, it is the one with the highest score.
func bestLine(d caddyfile.Dispenser, word, text string) (best caddyfile.Dispenser, found bool) {
	most := -1
	for outer := d.Nesting(); d.NextBlock(outer); {
		if d.Nesting() > outer+1 {
			continue // in a block of a line
		}
		line, name := d, d.Val()
		if score := scoreOf(d.RemainingArgs(), text); name == word && score > most {
			best, found, most = line, true, score
			best.RemainingArgs()
		}
	}
	return best, found
}

// scoreOf counts the arguments of a line that a text repeats.
func scoreOf(args []string, text string) (score int) {
	words := strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(" ,;", c) })
	for _, arg := range args {
		switch {
		case strings.Contains(text, strconv.Quote(arg)):
			score += 2
		case slices.Contains(words, arg), slices.Contains(words, arg+":"):
			score++
		}
	}
	return score
}

// firstWord returns the first word of a text.
func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}
