package accesstable

import (
	"fmt"
	"strings"
	"testing"
)

// TestShadowed: there is a warning about a rule that is unreachable for a path, and about
// no other.
func TestShadowed(t *testing.T) {
	deep := strings.Repeat("a/", 3_000) + "b"
	const allow = ", allow: [{authenticated: true}]}"
	tests := []struct{ name, first, second, about string }{
		{"below everything", "paths: [/*]", "paths: [/admin/*]", "/admin/*"},
		{"below", "paths: [/a/*]", "paths: [/a/b/c/*]", "/a/b/c/*"},
		{"one path", "paths: [/a/*]", "paths: [/a/b/c]", "/a/b/c"},
		{"the root", "paths: [/*]", "paths: [/]", "/"},
		{"what stands above it", "paths: [/a/*]", "paths: [/a]", "/a"},
		{"the same", "paths: [/a]", "paths: [/a/]", "/a"},
		{"another case", "paths: [/Admin/*]", "paths: [/aDMIN/x]", "/admin/x"},
		{"one of two", "paths: [/a/*]", "paths: [/b, /a/b]", "/a/b"},
		{"no paths", "hosts: [a.example.com]", "hosts: [a.example.com], paths: [/x]", "/x on a.example.com"},
		{"any host", "paths: [/a/*]", "hosts: [a.example.com], paths: [/a/b]", "/a/b on a.example.com"},
		{"below a host", "hosts: ['*.example.com']", "hosts: [a.b.example.com]", "/* on a.b.example.com"},
		{"hosts below hosts", "hosts: ['*.com']", "hosts: ['*.example.com']", "/* on *.example.com"},
		{"an address", "hosts: ['192.0.2.1']", "hosts: ['192.0.2.1'], paths: [/a]", "/a on 192.0.2.1"},
		{"everything", "paths: [/*]", "", "/*"},
		{"very deep", "paths: [/*]", "paths: [/" + deep + "/*]", "/" + deep + "/*"},
		{"the special one first", "paths: [/admin/*]", "paths: [/*]", ""},
		{"part of a segment", "paths: [/a/*]", "paths: [/ab/*]", ""},
		{"one path before what is below", "paths: [/a]", "paths: [/a/*]", ""},
		{"another host", "hosts: [a.example.com], paths: [/*]", "hosts: [b.example.com], paths: [/*]", ""},
		{"a host and those below", "hosts: ['*.example.com']", "hosts: [example.com]", ""},
		{"a host before all", "hosts: [a.example.com]", "paths: [/*]", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			second := "{" + test.second + allow
			if test.second == "" {
				second = "{allow: [{authenticated: true}]}"
			}
			_, warnings, err := Parse([]File{{"/etc/access.yaml", []byte("rules:\n  - {" + test.first + allow + "\n  - " + second + "\n")}})
			var want []string
			if test.about != "" {
				want = []string{"/etc/access.yaml:3:5: the rule never decides about " + test.about + ": access.yaml:2 (rule 1) comes first and decides; put the more specific rule first"}
			}
			if err != nil || fmt.Sprint(warnings) != fmt.Sprint(want) {
				t.Errorf("got %q, %v, want %q", warnings, err, want)
			}
		})
	}
}
