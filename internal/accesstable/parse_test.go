package accesstable

import (
	"encoding/json"
	"strings"
	"testing"
)

func parse(content string) (map[string]any, error) {
	table, _, err := Parse([]File{{"access.yaml", []byte(content)}})
	if err != nil {
		return nil, err
	}
	return table.Data(), nil
}

// TestAccessErrors: T-72. No mistake turns into a missing condition. Each error has the
// position and says what is allowed there.
func TestAccessErrors(t *testing.T) {
	tests := []struct {
		name, content string
		want          []string
	}{
		{"empty", "", []string{"access.yaml: the file is empty"}},
		{"comments only", "# nothing\n", []string{"the file is empty"}},
		{"an empty mapping", "{}", []string{"access.yaml:1:1: the table has neither rules, default nor blocked"}},
		{"null", "null", []string{"want a mapping with the keys networks blocked default rules"}},
		{"a list", "[]", []string{"want a mapping"}},
		{"bad YAML", "rules: [", []string{"access.yaml:2: yaml: "}},
		{"tabs", "rules:\n\t- allow: []\n", []string{"access.yaml:2", "not with tabs"}},
		{"two documents", "rules: []\n---\nrules: []\n", []string{"the file has more than one YAML document"}},
		{"unknown key", "ruls: []\n", []string{`access.yaml:1:1: unknown key "ruls" in the table; did you mean rules?; allowed: networks blocked default rules`}},
		{"a key twice", "rules: []\nrules: []\n", []string{`"rules" is duplicated`}},
		{"rules is a mapping", "rules: {}\n", []string{"access.yaml:1:8: rules: want a list"}},
		{"a rule is a word", "rules: [x]\n", []string{"the rule: want a mapping"}},
		{"no allow", "rules:\n  - paths: [/x]\n", []string{"access.yaml:2:5: the rule has no allow; to deny every caller, write allow: []"}},
		{"methods as a selector", "rules:\n  - methods: [GET]\n    allow: [{anyone: true}]\n", []string{"access.yaml:2:5: methods is a condition and goes inside allow: [{methods: …}]"}},
		{"an unknown condition", "rules:\n  - allow: [{role: [admin]}]\n", []string{`unknown key "role" in an alternative; did you mean roles?`}},
		{"N-58 a * for users", "rules:\n  - allow: [{users: ['*']}]\n", []string{"access.yaml:2:22: users: * is not a wildcard here and matches nothing; for every authenticated caller write {authenticated: true}"}},
		{"N-58 a * for blocked users", "blocked: {users: ['*']}\n", []string{"access.yaml:1:19: blocked users: * is not a wildcard here"}},
		{"N-58 a * for a claim", "rules:\n  - allow: [{claims: {team: '*'}}]\n", []string{"claims: team: * is not a wildcard here"}},
		{"an empty alternative", "rules:\n  - allow: [{}]\n", []string{"access.yaml:2:13: the alternative is empty; for every caller write {anyone: true}"}},
		{"a null alternative", "rules:\n  - allow: [null]\n", []string{"an alternative: want a mapping, not nothing"}},
		{"a null allow", "rules:\n  - allow:\n", []string{"allow: want a list of alternatives", "not nothing"}},
		{"allow is true", "rules:\n  - allow: true\n", []string{"allow: want a list of alternatives such as [{roles: [admin]}]"}},
		{"allow is a word", "rules:\n  - allow: anyone\n", []string{`allow: want a list of alternatives such as [{anyone: true}], not "anyone"`}},
		{"allow is one alternative", "rules:\n  - allow: {groups: [family]}\n", []string{"allow: want a list of alternatives such as [{groups: [family]}], not a mapping"}},
		{"a null condition", "rules:\n  - allow: [{roles: }]\n", []string{"roles: want a list such as [a, b], not nothing"}},
		{"an empty list", "rules:\n  - allow: [{roles: []}]\n", []string{"roles: the list is empty"}},
		{"a bare word", "rules:\n  - allow: [{roles: admin}]\n", []string{`roles: want a list such as [admin], not "admin"`}},
		{"a list with nothing in it", "rules:\n  - allow: [{roles: [~]}]\n", []string{"roles: want a string, not nothing"}},
		{"a number for a word", "rules:\n  - allow: [{users: [123]}]\n", []string{`users: want a string, not "123"; quote values that YAML does not read as strings`}},
		{"a boolean for a word", "rules:\n  - allow: [{users: [true]}]\n", []string{`users: want a string, not "true"`}},
		{"an empty word", "rules:\n  - allow: [{users: [\"\"]}]\n", []string{"users: want a string"}},
		{"anyone: false", "rules:\n  - allow: [{anyone: false}]\n", []string{`anyone: the only value is true, not "false"`}},
		{"anyone: yes", "rules:\n  - allow: [{anyone: \"true\"}]\n", []string{"anyone: the only value is true"}},
		{"an unknown kind", "rules:\n  - allow: [{kinds: [usr]}]\n", []string{`kinds: unknown word "usr"; did you mean user?; allowed: user client guest anonymous`}},
		{"a method in lower case", "rules:\n  - allow: [{methods: [get]}]\n", []string{"methods: get is written GET"}},
		{"an unknown network", "networks: {lan: [10.0.0.0/8]}\nrules:\n  - allow: [{networks: [lam]}]\n", []string{`"lam" is not a network`, "did you mean lan?", "defined names: lan"}},
		{"bits beyond the length", "networks: {lan: [10.1.0.0/8]}\n", []string{`lan: "10.1.0.0/8" has host bits set: write 10.0.0.0/8`}},
		{"an empty network", "networks: {lan: []}\n", []string{"network lan: the list is empty"}},
		{"two scopes in one", "rules:\n  - allow: [{scopes: [read write]}]\n", []string{`access.yaml:2:23: scopes: "read write" is not valid`, "one scope per item"}},
		{"no claim", "rules:\n  - allow: [{claims: {}}]\n", []string{"claims: the mapping is empty"}},
		{"a claim without a value", "rules:\n  - allow: [{claims: {team: }}]\n", []string{"claims: team: want a string"}},
		{"a claim with an empty list", "rules:\n  - allow: [{claims: {team: []}}]\n", []string{"claims: team: the list is empty"}},
		{"a claim with a mapping", "rules:\n  - allow: [{claims: {team: {a: b}}}]\n", []string{"not a mapping"}},
		{"a path without a slash", "rules:\n  - paths: [admin]\n    allow: []\n", []string{`paths: "admin" is not a path`}},
		{"a star in the middle", "rules:\n  - paths: [/a/*/b]\n    allow: []\n", []string{"is not a path"}},
		{"a star in a segment", "rules:\n  - paths: [/a*]\n    allow: []\n", []string{"is not a path"}},
		{"dots", "rules:\n  - paths: [/a/../b]\n    allow: []\n", []string{"dot segments"}},
		{"no path", "rules:\n  - paths: []\n    allow: []\n", []string{"paths: the list is empty"}},
		{"a host with a port", "rules:\n  - hosts: [\"a.example:80\"]\n    allow: []\n", []string{"is not a host"}},
		{"a star as a host", "rules:\n  - hosts: [\"*\"]\n    allow: []\n", []string{"is not a host"}},
		{"an alias", "rules:\n  - &a {allow: [{anyone: true}]}\n  - *a\n", []string{"access.yaml:3:5: aliases and merge keys are not supported"}},
		{"a merge", "x: &x {anyone: true}\nrules:\n  - allow: [{<<: *x}]\n", []string{"access.yaml:3:14: aliases and merge keys are not supported"}},
		{"blocked by a word", "blocked: {users: mallory}\n", []string{"blocked users: want a list"}},
		{"several at once", "ruls: []\nrules:\n  - allow: [{}]\n  - paths: [x]\n", []string{"ruls", "the alternative is empty", "has no allow", `"x" is not a path`}},
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
			if strings.Count(err.Error(), "\n") > 4 {
				t.Errorf("a mistake is told more than once:\n%v", err)
			}
		})
	}
}

// TestAccessMerge: several tables are combined.
func TestAccessMerge(t *testing.T) {
	first := File{"one.yaml", []byte("networks: {lan: [10.0.0.0/8]}\ndefault: [{authenticated: true}]\nrules:\n  - allow: []\n")}
	second := File{"two.yaml", []byte("blocked: {users: [mallory], networks: [lan, 192.0.2.7]}\nrules:\n  - hosts: [\"*.Example.com\"]\n    allow: [{networks: [lan, \"::1\"]}]\n")}
	table, _, err := Parse([]File{first, second})
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(table.Data())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"below":{"/":{"*":[0],".example.com":[1]}},"blocked":{"networks":["10.0.0.0/8","192.0.2.7/32"],"users":{"mallory":true}},"default":[{"authenticated":true}],` +
		`"depths":[0],"domains":[".example.com"],"hosts":{},"index":{"/*":{"*":0,".example.com":1}},` +
		`"rules":[{"allow":[],"forms":["/*"],"label":"one.yaml:4 (rule 1)"},{"allow":[{"networks":["10.0.0.0/8","::1/128"]}],"forms":["/*"],"label":"two.yaml:3 (rule 1)"}]}`
	if string(encoded) != want {
		t.Errorf("got  %s\nwant %s", encoded, want)
	}
	for _, more := range []string{"networks: {lan: [192.0.2.0/24]}\n", "default: []\n"} {
		if _, _, err := Parse([]File{first, {"three.yaml", []byte(more)}}); err == nil || !strings.Contains(err.Error(), "three.yaml:1") {
			t.Errorf("%s: %v", more, err)
		}
	}
	nothing, _, err := Parse(nil)
	if err != nil || len(nothing.rules) != 0 || len(nothing.fallback.Allow) != 0 {
		t.Errorf("no table: %v %v", nothing, err)
	}
}

// FuzzParseAccess: Parse does not panic, and the tables that it returns have no
// alternative without a condition and no condition without a value (T-66, T-72).
func FuzzParseAccess(f *testing.F) {
	for _, seed := range []string{"rules: []", "rules:\n  - allow: [{anyone: true}]", "rules:\n  - allow: [{}]", "{a: &a [*a]}", "rules:\n  - allow: [{roles: [a], claims: {b: 1}}]", "default: [{users: [x]}]\n---\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		table, err := parse(content)
		if err != nil {
			return
		}
		if _, err := json.Marshal(table); err != nil {
			t.Error(err)
		}
		for path, hosts := range table["index"].(map[string]any) {
			for host, number := range hosts.(map[string]any) {
				if number.(int) >= len(table["rules"].([]any)) {
					t.Errorf("%s %s: no rule %d", path, host, number)
				}
			}
		}
		alternatives := table["default"].([]any)
		for _, rule := range table["rules"].([]any) {
			allow, ok := rule.(map[string]any)["allow"].([]any)
			if !ok {
				t.Fatal("a rule without allow")
			}
			alternatives = append(alternatives, allow...)
		}
		for _, alternative := range alternatives {
			conditions := alternative.(map[string]any)
			if len(conditions) == 0 {
				t.Error("an alternative without a condition")
			}
			for name, value := range conditions {
				if list, ok := value.([]any); ok && len(list) == 0 || value == nil {
					t.Errorf("%s without a value", name)
				}
			}
		}
	})
}
