package grammar

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
	return s, Block(d, "thing", Words{
		"text": String(&s.text), "list": Strings(&s.list), "flag": Flag(&s.flag),
		"time": Duration(&s.time), "mode": Choice(&s.mode, "on", "off"),
	})
}

func TestBlock(t *testing.T) {
	var s settings
	d := caddyfile.NewTestDispenser("thing {\n text a\n list a b\n list c\n flag\n time 1d\n mode off\n}")
	d.Next()
	err := Block(d, "thing", Words{
		"text": String(&s.text), "list": Strings(&s.list), "flag": Flag(&s.flag),
		"time": Duration(&s.time), "mode": Choice(&s.mode, "on", "off"),
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
		{"argument to a flag", "flag yes", []string{`flag stands alone, without "yes"`}},
		{"block of a flag", "flag {\n x\n }", []string{"takes no block"}},
		{"no duration", "time soon", []string{"time wants a positive duration such as 15m", `"soon"`}},
		{"no time", "time 0s", []string{"positive duration"}},
		{"negative", "time -1m", []string{"positive duration"}},
		{"time twice", "time 1m\n time 2m", []string{"set twice"}},
		{"bad choice", "mode maybe", []string{"unknown value of mode: maybe", "allowed: off on"}},
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

func TestNearest(t *testing.T) {
	allowed := []string{"access", "allow_ambiguous_paths", "basic", "policies", "policy"}
	tests := []struct{ name, word, want string }{
		{"a letter is missing", "acces", "access"},
		{"upper case", "Basic", "basic"},
		{"with more behind", "basic_auth", "basic"},
		{"the nearer of two that begin alike", "policys", "policy"},
		{"nothing but a beginning", "allow", ""},
		{"too short to begin alike", "acl", ""},
		{"far", "completely", ""},
	}
	for _, test := range tests {
		if got := Nearest(test.word, allowed); got != test.want {
			t.Errorf("%s: %q, not %q", test.name, got, test.want)
		}
	}
}

func TestAt(t *testing.T) {
	if At(caddyfile.Token{File: "Caddyfile", Line: 3}, nil) != nil {
		t.Error("no error became one")
	}
}
