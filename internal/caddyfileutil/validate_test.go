package caddyfileutil

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// checkedThing is a block with lines of one word, with a block of a line, and with a
// quoted brace.
const checkedThing = `thing z {
	list a b
	list x "{" c
	inner u {
		text one
		list inside
	}
	text two
}`

// TestChecked: an error of a block's check names the line that it is about.
//
// T-63
func TestChecked(t *testing.T) {
	tests := []struct {
		name, err string
		line      int
	}{
		{"a word", "thing z: text: bad", 8},
		{"a word and an argument", "thing z: list x: bad", 3},
		{"the line that the text quotes", `thing z: list: "c" is bad`, 3},
		{"the line that the text repeats", "list: b is bad", 2},
		{"none of several", "list: bad", 2},
		{"the line of a line's block", `thing z: inner: text "one" is bad: use text`, 5},
		{"nothing of a line's block", "inner: bad: use list", 4},
		{"a word that stands in no line", "thing z: flag: missing: text must be set", 1},
		{"advice of another line", "text: bad: list: x", 8},
		{"about no line", "too little: write more", 1},
		{"no text", "", 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var text string
			var list []string
			var flag bool
			d := caddyfile.NewTestDispenser(checkedThing)
			d.Next()
			d.NextArg()
			words := Subdirectives{"text": String(&text), "list": Strings(&list), "flag": Flag(&flag)}
			words["inner"] = func(d *caddyfile.Dispenser) error {
				d.NextArg()
				var text string
				return Block(d, "inner", Subdirectives{"text": String(&text), "list": Strings(new([]string))})
			}
			want := errors.New(test.err)
			err := ValidatedBlock(d, "thing", words, func() error {
				if text != "two" || len(list) != 5 {
					t.Errorf("checked before the block is parsed: %q %q", text, list)
				}
				return want
			})
			if !errors.Is(err, want) || !strings.HasSuffix(err.Error(), fmt.Sprintf(", at Testfile:%d", test.line)) {
				t.Errorf("got %v", err)
			}
		})
	}
	d := caddyfile.NewTestDispenser("thing {\n txet\n}")
	d.Next()
	if err := ValidatedBlock(d, "thing", Subdirectives{}, func() error { return nil }); err == nil || !strings.Contains(err.Error(), "unknown word") {
		t.Errorf("got %v", err)
	}
}
