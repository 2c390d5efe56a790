package caddyfileutil

import (
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// ValidatedBlock parses the block that follows, as Block does, and then checks what it has
// set. An error of check is placed at the line that it is about: its text has, after
// at most some context, a colon and a space, the word that the line begins with
// ("jwt any: leeway: 10m0s is out of range"). Of several lines with that word it is
// the one whose arguments the text repeats. An error about no line is placed where
// the block begins.
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

// lineOf returns a dispenser at the line of a block that an error is about. Start is
// at the last token before the block.
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

// bestLine returns a dispenser at the last argument of the line of the block after d
// that begins with a word, and whether there is one; of several, it is the one whose
// arguments stand most in the text.
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

// scoreOf says how much a text repeats of a line's arguments.
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
