package accesstable

import (
	"strings"
	"testing"
)

// TestIndex: find returns the first rule that has the host and the path. Paths are
// compared by whole segments; a slash at the end makes no difference.
func TestIndex(t *testing.T) {
	x := newIndex()
	at := func(key string, below bool) path { return path{key, below, strings.Count(key, "/")} }
	for number, rule := range []struct {
		hosts []string
		paths []path
	}{
		{[]string{"a.example"}, []path{at("/admin", true), at("/x/y", false)}},
		{[]string{".example"}, []path{at("/admin", true)}},
		{[]string{".b.example", "a.example"}, []path{at("", true)}},
		{[]string{anyHost}, []path{at("/open", false), at("", false)}},
	} {
		if err := x.add(number, rule.hosts, rule.paths); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		host, path string
		want       int
	}{
		{"a.example", "/admin", 0},
		{"a.example", "/admin/", 0},
		{"a.example", "/admin/x/y", 0},
		{"b.example", "/admin/x", 1},
		{"a.example", "/administrator", 2},
		{"a.example", "/", 2},
		{"a.example", "/x/y/", 0},
		{"a.example", "/x/y/z", 2},
		{"a.b.example", "/", 2},
		{"c.a.b.example", "/admin", 1},
		{"b.example", "/", 3},
		{"b.example", "", 3},
		{"b.example", "/open", 3},
		{"b.example", "/open/", 3},
		{"b.example", "/open//", -1},
		{"b.example", "//open", -1},
		{"example", "/admin", -1},
		{"badexample", "/admin", -1},
		{"", "/open", 3},
		{"", "/admin", -1},
		{"b.example", "*", -1},
		{"a.example", "*", 2},
		{"a.example", "", 2},
	} {
		if got := x.find(test.host, test.path); got != test.want {
			t.Errorf("%s%s: rule %d, not %d", test.host, test.path, got, test.want)
		}
	}
	if !x.serves("x.example") || !x.serves("a.example") || x.serves("example") || x.serves("a.test") {
		t.Error("hosts that rules name")
	}
}
