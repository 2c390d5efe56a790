package policy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
)

const belowTable = `rules:
  - hosts: [b.example]
    paths: [/vault/x/*]
    allow: [{users: [carol]}]
  - paths: [/files/private/*]
    allow: [{roles: [admin]}]
  - paths: [/files/drop/*]
    allow: [{authenticated: true, methods: [PUT, PROPFIND]}]
  - paths: [/files/*, /open/*]
    allow: [{authenticated: true}]
  - paths: [/exact]
    allow: [{authenticated: true}]
  - paths: [/exact/*]
    allow: [{scopes: [write]}]
  - allow: [{authenticated: true}]
`

// TestS08AccessBelow goes from a table to the decision for methods that act on
// everything below a path.
func TestS08AccessBelow(t *testing.T) {
	set := open(t, Config{Access: []string{policytest.NewDir(t).Write("access.yaml", belowTable)}})
	admin := caller(func(i *authenticator.Identity) { i.ID, i.Roles = "alice", []string{"admin"} })
	bob := caller(func(i *authenticator.Identity) { i.ID = "bob" })
	to := func(destination string) map[string]string { return map[string]string{"Destination": destination} }
	depth := func(value string) map[string]string { return map[string]string{"Depth": value} }
	const private, drop, vault = "access.yaml:5 (rule 2)", "access.yaml:7 (rule 3)", "access.yaml:2 (rule 1)"
	tests := []struct {
		name, method, path string
		header             map[string]string
		who                *authenticator.Identity
		refusedBy          string
	}{
		{"DELETE above", "DELETE", "/files", nil, bob, private},
		{"DELETE above, with a slash and capitals", "DELETE", "/FILES/", nil, bob, private},
		{"DELETE of everything", "DELETE", "/", nil, bob, private},
		{"DELETE beside", "DELETE", "/files/mine", nil, bob, ""},
		{"DELETE of a name that only begins alike", "DELETE", "/file", nil, bob, ""},
		{"DELETE where a method is missing", "DELETE", "/files", nil, admin, drop},
		{"DELETE of what an exact rule names", "DELETE", "/exact", nil, bob, "access.yaml:13 (rule 6)"},
		{"lower case", "delete", "/files", nil, bob, private},
		{"another reading", "DELETE", "/%2566iles", nil, bob, private},
		{"GET", "GET", "/files", depth("infinity"), bob, ""},
		{"PROPFIND of all", "PROPFIND", "/files", depth("infinity"), bob, private},
		{"PROPFIND without Depth", "PROPFIND", "/files", nil, bob, private},
		{"PROPFIND by one who may", "PROPFIND", "/files", nil, admin, ""},
		{"PROPFIND of the members", "PROPFIND", "/files", depth("1"), bob, ""},
		{"PROPFIND of itself", "PROPFIND", "/files", depth("0"), bob, ""},
		{"PROPFIND, Depth of another form", "PROPFIND", "/files", depth("01"), bob, private},
		{"LOCK without Depth", "LOCK", "/files", nil, bob, private},
		{"LOCK of all", "LOCK", "/files", depth("Infinity"), bob, private},
		{"LOCK of itself", "LOCK", "/files", depth("0"), bob, ""},
		{"LOCK of a file", "LOCK", "/files/a.txt", depth("infinity"), bob, ""},
		{"COPY from above", "COPY", "/files", to("/open/y"), bob, private},
		{"MOVE from above", "MOVE", "/files", to("/open/y"), bob, private},
		{"COPY onto what is above", "COPY", "/open/y", to("/files"), bob, private},
		{"MOVE onto what is above", "MOVE", "/open/y", to("http://a.example/files/"), bob, private},
		{"MOVE by another method", "MOVE", "/open/y", to("/open/z"), bob, ""},
		{"COPY onto another host", "COPY", "/open/y", to("http://b.example/vault"), bob, vault},
		{"COPY of that path here", "COPY", "/open/y", to("/vault"), bob, ""},
		{"an override", "POST", "/files", map[string]string{"X-HTTP-Method-Override": "DELETE"}, bob, private},
		{"an override in the query", "POST", "/files?.method=delete", nil, bob, private},
		{"an override of itself", "POST", "/files", map[string]string{"X-Http-Method": "PROPFIND", "Depth": "1"}, bob, ""},
		{"PUT beside a destination", "PUT", "/open/y", to("/files"), bob, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := decideBy(set, call{test.method, "a.example", test.path, test.header, "192.0.2.1", test.who})
			if got.Allow != (test.refusedBy == "") || got.Err != nil || test.refusedBy != "" && got.Labels["rule"] != test.refusedBy {
				t.Errorf("got %+v", got)
			}
			if want := []string{"below_denied", "rule_denied"}; !got.Allow && !slices.Equal(got.Codes, want) {
				t.Errorf("codes %v, want %v", got.Codes, want)
			}
		})
	}
}

// TestS08AccessBelowAll: whatever the rules, a method that acts on everything below is
// allowed if the path is, and each rule that has paths below and decides for one of them.
func TestS08AccessBelowAll(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 8)) // the same tables in each run
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	hosts := []string{"a.example", "b.a.example", "example"}
	path := func(most int) string {
		return "/" + strings.Join(wordList(random.IntN(most+1), func() string { return pick("a", "b") }), "/")
	}
	all := everyPath([]string{"a", "b", "z"}, 4)
	refusals := 0
	for range 60 {
		var rules []plainRule
		var allows []bool
		text := strings.Builder{}
		text.WriteString("default: [{anyone: true}]\nrules:\n")
		for range 1 + random.IntN(6) {
			rule := plainRule{
				hosts: wordList(random.IntN(3), func() string { return pick("", "*.") + pick(hosts...) }),
				paths: wordList(random.IntN(3), func() string { return strings.TrimSuffix(path(3), "/") + pick("/", "/*") }),
			}
			rules, allows = append(rules, rule), append(allows, random.IntN(3) > 0)
			yaml := rule.yaml()
			if !allows[len(allows)-1] {
				yaml = strings.Replace(yaml, "[{anyone: true}]", "[]", 1)
			}
			text.WriteString(yaml)
		}
		set := open(t, Config{Access: []string{policytest.NewDir(t).Write("access.yaml", text.String())}})
		for range 25 {
			host, asked := pick(hosts...), path(2)
			allowed := func(number int) bool { return number < 0 || allows[number] }
			want := allowed(firstNumber(rules, host, asked))
			for _, q := range all {
				if number := firstNumber(rules, host, q); isBelow(q, asked) && number >= 0 && rules[number].liesBelow(q, asked) {
					want = want && allowed(number)
				}
			}
			got := decideBy(set, call{"DELETE", host, asked, nil, "192.0.2.1", nil})
			if got.Allow != want || got.Err != nil {
				t.Fatalf("DELETE %s%s: %t %v %v, want %t\n%s", host, asked, got.Allow, got.Labels, got.Err, want, text.String())
			}
			if slices.Contains(got.Codes, "below_denied") {
				refusals++
			}
		}
	}
	if refusals < 50 {
		t.Errorf("only %d refusals for what lies below", refusals)
	}
}

// everyPath returns all paths of some names, up to a depth.
func everyPath(names []string, depth int) []string {
	paths := []string{"/"}
	for from := 0; depth > 0; depth-- {
		to := len(paths)
		for _, path := range paths[from:to] {
			for _, name := range names {
				paths = append(paths, strings.TrimSuffix(path, "/")+"/"+name)
			}
		}
		from = to
	}
	return paths
}

// isBelow reports whether a path is another one or below it.
func isBelow(path, above string) bool {
	return strings.HasPrefix(path+"/", strings.TrimSuffix(above, "/")+"/")
}

// firstNumber returns the number of the first rule that fits, from 0, or -1.
func firstNumber(rules []plainRule, host, path string) int {
	return slices.IndexFunc(rules, func(rule plainRule) bool { return rule.fits(host, path) })
}

// liesBelow reports whether a rule means a path by one of its own that lies below
// another path: /a/* lies below /a, and /a does not.
func (r plainRule) liesBelow(path, above string) bool {
	paths := r.paths
	if len(paths) == 0 {
		paths = []string{"/*"}
	}
	return slices.ContainsFunc(paths, func(own string) bool {
		start, wild := strings.CutSuffix(own, "/*")
		start = "/" + strings.Trim(start, "/")
		return plainRule{paths: []string{own}}.fits("", path) && isBelow(start, above) && (wild || start != above)
	})
}

// TestS08AccessBelowLarge: what a table of 9,000 rules takes grows with the rules that
// matter for a path and at most with those there are. The shortest of several times is taken: other work only adds.
func TestS08AccessBelowLarge(t *testing.T) {
	small, large := tenants(t, 900), tenants(t, 9_000)
	one, all, tenth := shortest(t, large, "/tenants/t7"), shortest(t, large, "/"), shortest(t, small, "/")
	t.Logf("one tenant %v, all %v, a tenth of them %v", one, all, tenth)
	if one > all {
		t.Errorf("one tenant's path takes %v, that of all %v", one, all)
	}
	if all > 50*tenth { // it is ten times as much, and would be a hundred times
		t.Errorf("9,000 rules take %v, 900 %v", all, tenth)
	}
}

// tenants opens a table with rules for so many tenants.
func tenants(t *testing.T, count int) *Engine {
	text := strings.Builder{}
	text.WriteString("rules:\n")
	for i := range count {
		fmt.Fprintf(&text, "  - paths: [/tenants/t%d/docs/*, /tenants/t%d/index]\n    allow: [{authenticated: true}]\n", i, i)
	}
	text.WriteString("  - allow: [{authenticated: true}]\n")
	return open(t, Config{Access: []string{policytest.NewDir(t).Write("access.yaml", text.String())}, Timeout: time.Minute})
}

// shortest returns the shortest time of several in which a path is judged.
func shortest(t *testing.T, set *Engine, path string) time.Duration {
	bob := caller(func(i *authenticator.Identity) { i.ID = "bob" })
	least := time.Hour
	for range 20 {
		start := time.Now()
		got := decideBy(set, call{"DELETE", "a.example", path, nil, "192.0.2.1", bob})
		if least = min(least, time.Since(start)); !got.Allow {
			t.Errorf("%s: %+v", path, got)
		}
	}
	return least
}
