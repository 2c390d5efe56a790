package accesstable

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAccessRefused: T-72. Values that YAML or a reader could take for something else are
// rejected; the error has the position and the fix.
func TestAccessRefused(t *testing.T) {
	tests := []struct {
		name, content string
		want          []string
	}{
		{"no, which some read as false", "rules:\n  - allow: [{roles: [no]}]\n", []string{`access.yaml:2:22: roles: want a string, not "no"; quote`}},
		{"on as a key", "networks: {on: [10.0.0.0/8]}\nrules: []\n", []string{`networks: want a string as key, not "on"`}},
		{"a timestamp", "rules:\n  - allow: [{users: [2026-01-02]}]\n", []string{`users: want a string, not "2026-01-02"`}},
		{"a tag", "rules:\n  - allow: [{users: [!!binary YQ==]}]\n", []string{"users: want a string"}},
		{"a list in a list", "rules:\n  - allow: [{users: [[a]]}]\n", []string{"users: want a string, not a list"}},
		{"a number as a key", "rules:\n  - {1: x, allow: []}\n", []string{`the rule: want a string as key, not "1"`}},
		{"a list as a key", "rules:\n  - {[a]: x, allow: []}\n", []string{"the rule: want a string as key, not a list"}},
		{"a selector as a condition", "rules:\n  - allow: [{paths: [/x], roles: [a]}]\n", []string{"access.yaml:2:14: paths selects the rule and goes beside allow"}},
		{"roles beside hosts", "rules:\n  - hosts: [a.example]\n    roles: [admin]\n    allow: [{anyone: true}]\n", []string{"access.yaml:3:5: roles is a condition and goes inside allow: [{roles: …}]"}},
		{"anyone beside roles", "rules:\n  - allow: [{anyone: true, roles: [admin]}]\n", []string{"access.yaml:2:28: anyone and roles cannot be combined"}},
		{"anyone beside authenticated", "default: [{anyone: true, authenticated: true}]\n", []string{"anyone and authenticated cannot be combined"}},
		{"authenticated: false", "default: [{authenticated: false}]\n", []string{`authenticated: the only value is true, not "false"`}},
		{"any method", "rules:\n  - allow: [{methods: [\"*\"]}]\n", []string{`methods: "*" is not a method; to match every method, leave methods out`}},
		{"S-07 a tunnel", "rules:\n  - allow: [{roles: [a], upgrades: [h2c]}]\n", []string{"access.yaml:2:37: upgrades: h2c can never pass"}},
		{"S-07 any upgrade", "rules:\n  - allow: [{roles: [a], upgrades: [\"*\"]}]\n", []string{`upgrades: "*" is not a protocol's name`}},
		{"a null selector", "rules:\n  - paths:\n    allow: []\n", []string{"paths: want a list such as [a, b], not nothing"}},
		{"null rules", "rules:\n", []string{"access.yaml:1:7: rules: want a list, not nothing"}},
		{"null blocked", "blocked:\nrules: []\n", []string{"blocked: want a mapping, not nothing"}},
		{"an unknown key below blocked", "blocked: {user: [a]}\n", []string{`unknown key "user" in blocked; did you mean users?; allowed: users networks`}},
		{"a default that is a mapping", "default: {authenticated: true}\n", []string{"default: want a list of alternatives"}},
		{"networks only", "networks: {lan: [10.0.0.0/8]}\n", []string{"the table has neither rules, default nor blocked"}},
		{"a network within a network", "networks: {lan: [10.0.0.0/8], all: [lan]}\nrules: []\n", []string{`network all: "lan" is not a network`}},
		{"a prefix as a network's name", "networks: {10.0.0.0/8: [192.0.2.0/24]}\nrules: []\n", []string{`want a name such as lan, not "10.0.0.0/8"`}},
		{"a network and no name", "rules:\n  - allow: [{networks: [lan]}]\n", []string{`networks: "lan" is not a network`, "no name is defined under networks"}},
		{"a blocked network unknown", "networks: {lan: [10.0.0.0/8]}\nblocked: {networks: [wan]}\n", []string{`blocked networks: "wan" is not a network`, "did you mean lan?"}},
		{"an address with a zone", "rules:\n  - allow: [{networks: [\"fe80::1%eth0\"]}]\n", []string{"is not a network"}},
		{"IPv4 in IPv6", "rules:\n  - allow: [{networks: [\"::ffff:10.0.0.0/104\"]}]\n", []string{"write it as an IPv4 network"}},
		{"a length beyond 32", "networks: {lan: [10.0.0.0/33]}\nrules: []\n", []string{"is not a network"}},
		{"a path with a query", "rules:\n  - paths: [\"/x?y=1\"]\n    allow: []\n", []string{"is not a path", "without a query"}},
		{"an escaped path", "rules:\n  - paths: [/%61dmin]\n    allow: []\n", []string{"is not a path", "decoded"}},
		{"a doubled slash", "rules:\n  - paths: [//admin]\n    allow: []\n", []string{"is not a path"}},
		{"a star before a slash", "rules:\n  - paths: [/admin/*/]\n    allow: []\n", []string{"is not a path"}},
		{"a URL as a path", "rules:\n  - paths: [\"https://a.example/x\"]\n    allow: []\n", []string{"is not a path"}},
		{"a URL as a host", "rules:\n  - hosts: [\"https://a.example\"]\n    allow: []\n", []string{"is not a host"}},
		{"a host with a path", "rules:\n  - hosts: [a.example/x]\n    allow: []\n", []string{"is not a host"}},
		{"a host with an empty label", "rules:\n  - hosts: [a..example]\n    allow: []\n", []string{"is not a host"}},
		{"a star within a host", "rules:\n  - hosts: [\"a.*.example\"]\n    allow: []\n", []string{"is not a host"}},
		{"a bad pointer", "rules:\n  - allow: [{claims: {/a~2: b}}]\n", []string{"claims: \"/a~2\" has a ~ that is neither"}},
		{"a dotted path with a hole", "rules:\n  - allow: [{claims: {a..b: c}}]\n", []string{"claims: \"a..b\"", "empty name"}},
		{"a claim like no JSON number", "rules:\n  - allow: [{claims: {num: 0x10}}]\n", []string{"claims: num: want a string, a number or a boolean", "quote"}},
		{"a claim beyond numbers", "rules:\n  - allow: [{claims: {num: .inf}}]\n", []string{"claims: num: want"}},
		{"a claim with a list in its list", "rules:\n  - allow: [{claims: {num: [[a]]}}]\n", []string{"claims: num: want", "not a list"}},
		{"claims that are a list", "rules:\n  - allow: [{claims: [team]}]\n", []string{"claims: want a mapping, not a list"}},
		{"a second document that is broken", "rules: []\n---\n[", []string{"the file has more than one YAML document"}},
		{"an alias at the top", "default: &a []\nrules: *a\n", []string{"access.yaml:2:8: aliases and merge keys"}},
		{"a scanner's error", "blocked: {}\nrules: a\n  x: y: z\n", []string{"access.yaml:3: yaml: mapping values are not allowed"}},
		{"a parser's error", "blocked: {}\nrules: [\n", []string{"access.yaml:3: yaml: did not find expected node content"}},
		{"too deep", strings.Repeat("[", 20_000), []string{"access.yaml"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			table, err := parse(test.content)
			if err == nil {
				t.Fatalf("it was taken: %v", table)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
		})
	}
}

// TestAccessSelectors: the index has hosts and paths in the form that requests have.
func TestAccessSelectors(t *testing.T) {
	tests := []struct{ name, selector, path, host string }{
		{"a host", "hosts: [App.Example.COM.]", "/*", "app.example.com"},
		{"hosts below", "hosts: ['*.Example.com']", "/*", ".example.com"},
		{"a host beyond ASCII", "hosts: [Bücher.example]", "/*", "xn--bcher-kva.example"},
		{"a host with an underscore", "hosts: [a_b.example]", "/*", "a_b.example"},
		{"an address of IPv6", "hosts: ['[2001:DB8::1]']", "/*", "2001:db8::1"},
		{"a path", "paths: [/A/b]", "/a/b/", "*"},
		{"a path with a trailing slash", "paths: [/a/]", "/a/", "*"},
		{"a path and below", "paths: [/Admin/*]", "/admin/*", "*"},
		{"the root", "paths: [/]", "/", "*"},
		{"everything", "paths: [/*]", "/*", "*"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			table, err := parse("rules: [{" + test.selector + ", allow: []}]")
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]any{test.path: map[string]any{test.host: 0}}
			if diff := cmp.Diff(want, table["index"]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAccessIndex: the first rule decides, and the size of the index is limited.
func TestAccessIndex(t *testing.T) {
	table, err := parse("rules:\n  - {paths: [/a/b/*, /a], allow: []}\n  - {paths: [/A/*, /a/B/*], hosts: [x, '*.x'], allow: []}\n  - {paths: [/a], allow: []}\n")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"/a/":    map[string]any{"*": 0},
		"/a/b/*": map[string]any{"*": 0, "x": 1, ".x": 1},
		"/a/*":   map[string]any{"x": 1, ".x": 1},
	}
	if diff := cmp.Diff(want, table["index"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]any{[]any{1, 2}, []any{".x"}}, []any{table["depths"], table["domains"]}); diff != "" {
		t.Error(diff)
	}
}

// TestAccessConditions: the conditions of alternatives, as the policy reads them.
func TestAccessConditions(t *testing.T) {
	tests := []struct {
		name, allow string
		want        []any
	}{
		{"nobody", "[]", []any{}},
		{"everybody", "[{anyone: true}]", []any{map[string]any{"anyone": true}}},
		{"everybody, from somewhere", "[{anyone: true, methods: [GET], networks: ['::1']}]", []any{map[string]any{
			"anyone": true, "methods": []any{"GET"}, "networks": []any{"::1/128"},
		}}},
		{"quoted words", "[{users: ['123', 'no']}]", []any{map[string]any{"users": []any{"123", "no"}}}},
		{"claims", "[{claims: {realm.team: blue, /a.b~1c: [x, true]}}]", []any{map[string]any{"claims": []any{
			map[string]any{"path": []any{"realm", "team"}, "values": []any{"blue"}},
			map[string]any{"path": []any{"a.b/c"}, "values": []any{"x", true}},
		}}}},
		{"addresses", "[{networks: [192.0.2.7, '::ffff:192.0.2.8', '2001:DB8::/32']}]", []any{map[string]any{
			"networks": []any{"192.0.2.7/32", "192.0.2.8/32", "2001:db8::/32"},
		}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			table, err := parse("rules: [{allow: " + test.allow + "}]")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, table["rules"].([]any)[0].(map[string]any)["allow"]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAccessLabels: the label of a rule has the whole path if two files have the same
// base name, and mistakes are sorted by file.
func TestAccessLabels(t *testing.T) {
	content := []byte("rules:\n  - allow: []\n  - allow: []\n")
	table, _, err := Parse([]File{{"/a/access.yaml", content}, {"/b/access.yaml", content}, {"/b/other.yaml", content}})
	if err != nil {
		t.Fatal(err)
	}
	var labels []string
	for _, rule := range table.rules {
		labels = append(labels, rule.Label)
	}
	want := []string{
		"/a/access.yaml:2 (rule 1)", "/a/access.yaml:3 (rule 2)", "/b/access.yaml:2 (rule 1)", "/b/access.yaml:3 (rule 2)",
		"other.yaml:2 (rule 1)", "other.yaml:3 (rule 2)",
	}
	if diff := cmp.Diff(want, labels); diff != "" {
		t.Error(diff)
	}
	_, _, err = Parse([]File{{"b.yaml", []byte("rules: [x]\nnetworks: {a: [b]}\n")}, {"a.yaml", []byte("ruls: []")}})
	if err == nil {
		t.Fatal("it was taken")
	}
	lines := strings.Split(err.Error(), "\n")
	for i, place := range []string{"b.yaml:1:9:", "b.yaml:2:16:", "a.yaml:1:1:"} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], place) {
			t.Errorf("line %d is not about %s:\n%v", i+1, place, err)
		}
	}
}
