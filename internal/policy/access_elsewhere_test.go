package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
)

const elsewhereTable = `rules:
  - paths: [/admin/*, /admin.php, /dav/files/private/*]
    allow: [{roles: [admin]}]
  - paths: [/get/*]
    allow: [{anyone: true, methods: [GET]}]
  - allow: [{anyone: true}]
`

// TestN04AccessScripts: a PHP script and what follows it are judged by the rules that
// name them, and by no other.
func TestN04AccessScripts(t *testing.T) {
	set := open(t, Config{Access: []string{policytest.NewDir(t).Write("access.yaml", elsewhereTable)}})
	closed := open(t, Config{Access: []string{policytest.NewDir(t).Write("access.yaml", "rules:\n  - paths: [/w/*]\n    allow: [{anyone: true}]\n")}})
	for _, test := range []struct {
		name, target string
		set          *Engine
		allow        bool
	}{
		{"N-04 something behind a script", "/admin.php/x", set, false},
		{"N-04 an encoded slash", "/admin.php%2fx", set, false},
		{"N-04 capitals", "/Admin.PHP/x", set, false},
		{"N-04 what follows a script", "/index.php/admin/users", set, false},
		{"N-04 and encoded twice", "/index.php%252fadmin/users", set, false},
		{"N-04 what no rule names", "/index.php/users", set, true},
		{"N-04 a page of a wiki", "/w/index.php/Main_Page", closed, true},
		{"N-04 the script alone", "/w/index.php", closed, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := decideBy(test.set, call{"GET", "h.example", test.target, nil, "192.0.2.1", nil}); got.Allow != test.allow || got.Err != nil {
				t.Errorf("%t %v %v, want %t", got.Allow, got.Labels, got.Err, test.allow)
			}
		})
	}
}

// TestS08AccessPrefix: a destination that lacks a prefix of the path is judged below the
// prefix too.
func TestS08AccessPrefix(t *testing.T) {
	set := open(t, Config{Access: []string{policytest.NewDir(t).Write("access.yaml", elsewhereTable)}})
	for _, test := range []struct {
		name, method, path, destination string
		allow                           bool
	}{
		{"S-08 below the prefix", "COPY", "/dav/files/mine/m.txt", "/files/private/planted", false},
		{"S-08 with its host", "MOVE", "/dav/files/mine/m.txt", "http://h.example/files/private/planted", false},
		{"S-08 in capitals", "MOVE", "/dav/files/mine/m.txt", "/Files/PRIVATE", false},
		{"S-08 onto what holds it", "MOVE", "/dav/files/mine", "/files", false},
		{"S-08 beside it", "MOVE", "/dav/files/mine/m.txt", "/files/mine/n.txt", true},
		{"S-08 as clients send it", "MOVE", "/dav/files/mine/m.txt", "http://h.example/dav/files/mine/n.txt", true},
		{"S-08 without a prefix", "MOVE", "/a/b", "/c/d", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			header := map[string]string{"Destination": test.destination}
			if got := decideBy(set, call{test.method, "h.example", test.path, header, "192.0.2.1", nil}); got.Allow != test.allow || got.Err != nil {
				t.Errorf("%t %v %v, want %t", got.Allow, got.Labels, got.Err, test.allow)
			}
		})
	}
}

// TestN11Overrides: thousands of overrides cost no more than a few, and with more than
// are looked at no condition on methods holds.
func TestN11Overrides(t *testing.T) {
	table := strings.Builder{}
	table.WriteString("rules:\n")
	for range 3_000 {
		table.WriteString("  - paths: [/files/x/*]\n    allow: [{anyone: true, methods: [GET, PROPFIND]}]\n")
	}
	table.WriteString("  - allow: [{anyone: true, methods: [GET, PROPFIND]}]\n")
	set := open(t, Config{Access: []string{policytest.NewDir(t).Write("access.yaml", table.String())}})
	few, many := map[string]string{"X-HTTP-Method-Override": "GET"}, map[string]string{"X-HTTP-Method-Override": strings.Repeat("GET,", 4_800) + "GET", "Destination": "/;a%2f;b//c%252fd"}
	took := func(header map[string]string, want bool) time.Duration {
		start := time.Now()
		if got := decideBy(set, call{"PROPFIND", "h.example", "/", header, "192.0.2.1", nil}); got.Allow != want || got.Err != nil {
			t.Errorf("%+v", got)
		}
		return time.Since(start)
	}
	short, long := took(few, true), took(many, false)
	t.Logf("one override: %s; 4,801 and 16 readings: %s", short, long)
}
