package caddyfileutil

import (
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// settings has one of each kind of word.
type settings struct {
	text, mode string
	list       []string
	flag       bool
	time       caddy.Duration
}

func parse(input string) (settings, error) {
	var s settings
	d := caddyfile.NewTestDispenser(input)
	d.Next()
	return s, Block(d, "thing", Subdirectives{
		"text": String(&s.text), "list": Strings(&s.list), "flag": Flag(&s.flag),
		"time": Duration(&s.time), "mode": Enum(&s.mode, "on", "off"),
	})
}

func TestBlock(t *testing.T) {
	var s settings
	d := caddyfile.NewTestDispenser("thing {\n text a\n list a b\n list c\n flag\n time 1d\n mode off\n}")
	d.Next()
	err := Block(d, "thing", Subdirectives{
		"text": String(&s.text), "list": Strings(&s.list), "flag": Flag(&s.flag),
		"time": Duration(&s.time), "mode": Enum(&s.mode, "on", "off"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.text != "a" || strings.Join(s.list, "") != "abc" || !s.flag || time.Duration(s.time) != 24*time.Hour || s.mode != "off" {
		t.Errorf("got %+v", s)
	}
}

// TestErrors: T-63. Each mistake names its line, the bad word and what is allowed.
func TestErrors(t *testing.T) {
	tests := []struct {
		name, line string
		want       []string
	}{
		{"unknown word", "txet a", []string{"unknown word in thing: txet", "did you mean text?", "allowed: flag list mode text time", "Testfile:2"}},
		{"nothing near", "completely", []string{"unknown word in thing: completely", "allowed: flag list mode text time"}},
		{"no argument", "text", []string{"wants one argument, not ", "text"}},
		{"two arguments", "text a b", []string{"wants one argument, not "}},
		{"empty argument", `text ""`, []string{"empty"}},
		{"set twice", "text a\n text b", []string{"text is set twice", "Testfile:3"}},
		{"empty list", "list", []string{"list wants an argument"}},
		{"empty item", `list a ""`, []string{"an argument of list is empty"}},
		{"argument to a flag", "flag yes", []string{`flag takes no argument; remove "yes"`}},
		{"block of a flag", "flag {\n x\n }", []string{"takes no block"}},
		{"no duration", "time soon", []string{"time wants a positive duration such as 15m", `"soon"`}},
		{"no time", "time 0s", []string{"positive duration"}},
		{"negative", "time -1m", []string{"positive duration"}},
		{"time twice", "time 1m\n time 2m", []string{"set twice"}},
		{"bad choice", "mode maybe", []string{"unknown value of mode: maybe", "allowed: off on"}},
		{"no choice", "mode", []string{"mode wants one of: on off, such as mode on, not 0 arguments", "Testfile:2"}},
		{"two choices", "mode on off", []string{"mode wants one of: on off, such as mode on, not 2 arguments"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := parse("thing {\n " + test.line + "\n}")
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
		})
	}
}

// TestOnlyBlock: an argument is named, with a line of the block as the example.
func TestOnlyBlock(t *testing.T) {
	d := caddyfile.NewTestDispenser("thing x {\n text a\n}")
	d.Next()
	want := `thing takes a block, not "x": write lines such as text a between { and }`
	if err := NoArgs(d, "thing", "text a"); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
	d = caddyfile.NewTestDispenser("thing {\n text a\n}")
	d.Next()
	if err := NoArgs(d, "thing", "text a"); err != nil || d.Val() != "thing" {
		t.Errorf("%v, at %s", err, d.Val())
	}
}
