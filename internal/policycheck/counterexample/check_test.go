package counterexample

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
)

// checked checks one policy without its directory's name.
func checked(t *testing.T, config policy.Config, o CheckOptions) CheckReport {
	t.Helper()
	report, err := Check(context.Background(), options(t, config), o)
	if err != nil {
		t.Fatal(err)
	}
	if !report.Complete {
		t.Error("it was cut off")
	}
	return report
}

// found returns the first line of each finding, a file by its name alone.
func found(report CheckReport) []string {
	var lines []string
	for _, f := range report.Findings {
		f.File, f.Since = filepath.Base(f.File), strings.TrimPrefix(f.Since, filepath.Dir(f.File)+"/")
		line, _, _ := strings.Cut(f.String(), "\n")
		lines = append(lines, line)
	}
	return lines
}

// TestCheckFinds: each policy that refuses somebody who gets in without something is
// found, with the condition that did it; others are not (T-03).
func TestCheckFinds(t *testing.T) {
	const becomes = ": a denial becomes an allow "
	tests := []struct {
		name, body string
		want       []string // begin the findings
	}{
		{"a positive condition", `allow if "admin" in input.identity.roles`, nil},
		{"a claim under not", `allow if not input.identity.claims.banned`, []string{
			"a.rego:3" + becomes + "without input.identity.claims.banned: not input.identity.claims.banned",
		}},
		{"two claims under not", "allow if {\n\t\"admin\" in input.identity.roles\n\tnot input.identity.claims.banned\n\tnot input.identity.claims.suspended\n}", []string{
			"a.rego:5" + becomes + "without input.identity.claims.banned: not input.identity.claims.banned",
			"a.rego:6" + becomes + "without input.identity.claims.suspended: not input.identity.claims.suspended",
		}},
		{"a claim within a claim", `allow if not input.identity.claims.account.state == "locked"`, []string{
			"a.rego:3" + becomes + "without input.identity.claims.account.state: ",
		}},
		{"a time in a claim, by a rule", "allow if not expired\n\nexpired if time.parse_rfc3339_ns(input.identity.claims.until) < input.request.time_ns", []string{
			"a.rego:3" + becomes + "when time.parse_rfc3339_ns in line 5 has no answer: not expired, since a.rego:5 does not hold any more",
			"a.rego:3" + becomes + "without input.identity.claims.until: not expired, since a.rego:5 does not hold any more",
		}},
		{"a time in a claim, by not as a body", "import future.keywords.not\n\nallow if not { time.parse_rfc3339_ns(input.identity.claims.until) < 17 }", []string{
			"a.rego:5" + becomes + "when time.parse_rfc3339_ns in line 5 has no answer: not {",
			"a.rego:5" + becomes + "without input.identity.claims.until: not {",
		}},
		{"a time in a claim, which OPA reads before it negates", `allow if not time.parse_rfc3339_ns(input.identity.claims.until) < 17`, nil},
		{"a list of roles that are shut out", `allow if not "guest" in input.identity.roles`, []string{
			"a.rego:3" + becomes + "with input.identity.roles empty or unknown: not \"guest\" in input.identity.roles",
		}},
		{"a helper under not", "import data.caddy.helpers\n\nallow if not helpers.has_group(\"guests\")", []string{
			"a.rego:5" + becomes + "with input.identity.groups empty or unknown: not helpers.has_group(\"guests\")",
		}},
		{"a network that is shut out", "import data.caddy.helpers\n\nallow if {\n\thelpers.under(\"/admin/*\")\n\tnot helpers.in_network(\"10.0.0.0/8\")\n}", []string{
			"a.rego:7" + becomes + "when net.cidr_contains_matches in line",
			"a.rego:7" + becomes + "with input.client.ip hidden by a proxy that is not trusted: not helpers.in_network",
		}},
		{"S-10 a list that is known to be empty or not known", "allow if {\n\tnot \"guest\" in input.identity.roles\n\tnot \"roles\" in input.identity.unknown\n}", []string{
			"a.rego:4" + becomes + "with input.identity.roles empty: not \"guest\" in input.identity.roles",
		}},
		{"S-10 a list that is not known", "allow if {\n\tnot \"guest\" in input.identity.roles\n\t\"roles\" in input.identity.unknown\n}", []string{
			"a.rego:4" + becomes + "with input.identity.roles empty: not \"guest\" in input.identity.roles",
			"a.rego:4" + becomes + "with input.identity.roles unknown: not \"guest\" in input.identity.roles",
		}},
		{"S-10 an address that is hidden", `allow if not net.cidr_contains("10.0.0.0/8", input.client.ip)`, []string{
			"a.rego:3" + becomes + "when net.cidr_contains in line 3 has no answer: not net.cidr_contains",
			"a.rego:3" + becomes + "with input.client.ip hidden by a proxy that is not trusted: not net.cidr_contains",
		}},
		{"a header that shuts out", `allow if not input.request.headers["x-blocked"]`, []string{
			"a.rego:3" + becomes + `without input.request.headers["x-blocked"]: not `,
		}},
		{"the lines of a header, which OPA reads before it negates", `allow if not "yes" in input.request.header_values["x-blocked"]`, nil},
		{"a line of a header", `allow if not input.request.header_values["x-blocked"][0]`, []string{
			"a.rego:3" + becomes + `without input.request.header_values["x-blocked"]: not `,
		}},
		{"a constant of the configuration", "allow if not input.config.locked", []string{
			"a.rego:3" + becomes + "without input.config.locked: not input.config.locked",
		}},
		{"a set of reasons", "allow if count(deny) == 0\n\ndeny contains \"banned\" if input.identity.claims.banned", []string{
			"a.rego:3" + becomes + "without input.identity.claims.banned: count(deny) == 0, since a.rego:5 does not hold any more",
		}},
		{"a deny in the answer", "allow := {\"allow\": true, \"deny\": deny}\n\ndeny contains \"banned\" if input.identity.claims.banned == \"yes\"", []string{
			"a.rego:5" + becomes + "without input.identity.claims.banned: deny contains",
		}},
		{"an else", "allow := false if {\n\tinput.identity.claims.banned\n} else := true", []string{
			"a.rego:3" + becomes + "without input.identity.claims.banned: allow := false if {",
		}},
		{"a default that lets in", `allow if object.get(input.identity.claims, "level", 5) > 3`, []string{
			"a.rego:3" + becomes + "without input.identity.claims.level: object.get(",
		}},
		{"an empty field that lets in", `allow if input.identity.email != "root@example.com"`, []string{
			"a.rego:3" + becomes + "with input.identity.email empty or unknown: input.identity.email != ",
		}},
		{"not first", "allow if input.identity.email == \"\"\n\nallow if not input.identity.claims.banned", []string{
			"a.rego:5" + becomes + "without input.identity.claims.banned: not ",
			"a.rego:3" + becomes + "with input.identity.email empty or unknown: ",
		}},
		{"a function of its own", "allow if not listed(input.identity.claims, \"banned\")\n\nlisted(o, k) if o[k] == true", []string{
			"a.rego:3" + becomes + "without input.identity.claims.banned: not listed(",
		}},
		{"a call whose pattern is written down", `allow if not regex.match("^/internal/", input.request.path)`, nil},
		{"another path", `allow if not input.request.segments[0] == "admin"`, nil},
		{"another method", `allow if not input.request.method in {"PUT", "DELETE"}`, nil},
		{"nobody", `allow := false`, nil},
		{"everybody", `allow := true`, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := policytest.NewDir(t).Write("a.rego", "package caddy.authz\n\n"+test.body+"\n")
			got := found(checked(t, policy.Config{Sources: []string{path}}, CheckOptions{}))
			if len(got) != len(test.want) {
				t.Fatalf("got %q", got)
			}
			for i, want := range test.want {
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("got %q, want %q", got[i], want)
				}
			}
		})
	}
}

// TestCheckSamples: what only data lets in is found by a sample, one of a test or
// one of an access table.
func TestCheckSamples(t *testing.T) {
	const source = "package caddy.authz\n\nallow if {\n\tinput.identity.id in data.members\n\tnot input.identity.claims[\"https://example.com/ban\"]\n}\n"
	const want = `a.rego:5: a denial becomes an allow without input.identity.claims["https://example.com/ban"]: not `
	banned := map[string]any{"identity": map[string]any{"id": "carol", "claims": map[string]any{"https://example.com/ban": true}}}
	tests := []struct {
		name    string
		files   map[string]string
		access  string
		samples []Sample
		sample  string
	}{
		{name: "none"},
		{name: "given", samples: []Sample{{Name: "saved.json", Input: banned}}, sample: "saved.json"},
		{
			name: "of a test", sample: "a_test.rego:5",
			files: map[string]string{"p/a_test.rego": "package caddy.authz_test\n\nimport data.caddy.authz\n\ntest_banned if not authz.allow with input as {\"identity\": {\"id\": \"carol\", \"claims\": {\"https://example.com/ban\": true}}}\n"},
		},
		{
			name: "of a test with builders", sample: "a_test.rego:6",
			files: map[string]string{"p/a_test.rego": "package caddy.authz_test\n\nimport data.caddy.authz\nimport data.caddy.testing\n\ntest_banned if {\n\twho := object.union(testing.user(\"carol\", []), {\"claims\": {\"https://example.com/ban\": true}})\n\tnot authz.allow with input as testing.input_of(testing.request(\"GET\", \"/\"), who)\n}\n"},
		},
		{
			name: "of an access table", access: "rules:\n  - hosts: [\"*.example.com\"]\n    paths: [/deploy/*]\n    allow: [{users: [carol], scopes: [deploy], methods: [POST], networks: [10.0.0.0/8], claims: {team: blue}}]\n",
			files:  map[string]string{"p/a.rego": "package caddy.authz\n\nallow if {\n\tdata.caddy.access.allow\n\tnot input.identity.claims[\"https://example.com/ban\"]\n}\n"},
			sample: "generated",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := policytest.NewDir(t)
			d.Write("p/a.rego", source)
			d.Write("p/data.json", `{"members": ["carol"]}`)
			for name, content := range test.files {
				d.Write(name, content)
			}
			config := policy.Config{Sources: []string{d.Path + "/p"}}
			if test.access != "" {
				config.Access = []string{d.Write("access.yaml", test.access)}
			}
			report := checked(t, config, CheckOptions{Samples: test.samples})
			got := found(report)
			switch {
			case test.sample == "" && len(got) > 0, test.sample != "" && (len(got) != 1 || !strings.HasPrefix(got[0], want)):
				t.Errorf("got %q", got)
			case test.sample != "" && !strings.HasPrefix(filepath.Base(report.Findings[0].Sample), test.sample):
				t.Errorf("by %q, want %q", report.Findings[0].Sample, test.sample)
			}
		})
	}
}

// TestCheckEnvoy: policies for opa-envoy-plugin are asked with its document, and
// what a built-in function cannot read is undefined there.
func TestCheckEnvoy(t *testing.T) {
	path := policytest.NewDir(t).Write("a.rego", `package envoy.authz

allow if not blocked

blocked if input.attributes.request.http.headers["x-blocked"] == "yes"

blocked if json.unmarshal(input.attributes.request.http.headers["x-claims"]).blocked
`)
	got := found(checked(t, policy.Config{Sources: []string{path}, OPAEnvoy: true}, CheckOptions{Samples: []Sample{{Name: "given", Input: map[string]any{
		"attributes": map[string]any{"request": map[string]any{"http": map[string]any{"headers": map[string]any{"x-claims": `{"blocked": true}`}}}},
	}}}}))
	want := []string{
		`a.rego:3: a denial becomes an allow when json.unmarshal in line 7 has no answer: not blocked, since a.rego:7 does not hold any more`,
		`a.rego:3: a denial becomes an allow without input.attributes.request.http.headers["x-blocked"]: not blocked, since a.rego:5 does not hold any more`,
		`a.rego:3: a denial becomes an allow without input.attributes.request.http.headers["x-claims"]: not blocked, since a.rego:7 does not hold any more`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %s", strings.Join(got, "\n"))
	}
}

// TestCheckShipped: nothing is found in the policies that this project ships,
// those of its documents and its table for everyday.
func TestCheckShipped(t *testing.T) {
	table := []string{"../../../examples/quickstart/access.yaml"}
	configs := map[string]policy.Config{
		"access":        {Access: table},
		"authenticated": {},
		"quickstart":    {Sources: []string{"../../../examples/quickstart/policies"}},
		"office":        {Sources: []string{"../../../policies/examples/office"}, Decision: "data.examples.office.decision"},
		"owners":        {Sources: []string{"../../../policies/examples/owners"}, Decision: "data.examples.owners.allow"},
		"scopes":        {Sources: []string{"../../../policies/examples/scopes"}, Decision: "data.examples.scopes.decision"},
	}
	for _, document := range []string{"../../../docs/policies.md", "../../../docs/check.md"} {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		blocks := regexp.MustCompile("(?s)```rego\n(package caddy.authz\n.*?)```").FindAllStringSubmatch(string(text), -1)
		if len(blocks) == 0 {
			t.Errorf("%s has no policy", document)
		}
		for i, block := range blocks {
			configs[fmt.Sprintf("%s %d", filepath.Base(document), i)] = policy.Config{Sources: []string{policytest.NewDir(t).Write("a.rego", block[1])}}
		}
	}
	for name, config := range configs {
		t.Run(name, func(t *testing.T) {
			if report := checked(t, config, CheckOptions{}); !report.Clean() {
				t.Errorf("%q %q", report.Warnings, found(report))
			}
		})
	}
}

// TestCheckErrors: what does not load is an error, as it is for a server (T-60).
func TestCheckErrors(t *testing.T) {
	tests := []struct {
		name   string
		files  map[string]string
		config policy.Config
		want   string
	}{
		{"bad Rego", map[string]string{"a.rego": "package caddy.authz\n\nallow if\n"}, policy.Config{}, "a.rego:4: rego_parse_error"},
		{"a misspelt field", map[string]string{"a.rego": "package caddy.authz\n\nallow if not input.identity.blockd\n"}, policy.Config{}, "a.rego:3: PA001"},
		{"an empty directory", map[string]string{"x.txt": ""}, policy.Config{}, "neither policies (*.rego) nor data"},
		{"no entry rule", map[string]string{"a.rego": "package caddy.authz\n\nallowed := true\n"}, policy.Config{}, "no rule caddy.authz.allow"},
		{"no package", map[string]string{"a.rego": "package other\n\nallow := true\n"}, policy.Config{}, "packages there: other"},
		{"a bad test", map[string]string{"a.rego": "package caddy.authz\n\nallow := true\n", "a_test.rego": "package caddy.authz\n\ntest_a if x\n"}, policy.Config{}, "a_test.rego:3"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := policytest.NewDir(t)
			for name, content := range test.files {
				d.Write("p/"+name, content)
			}
			test.config.Sources = []string{d.Path + "/p"}
			if _, err := Check(context.Background(), options(t, test.config), CheckOptions{}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestCheckMistakenTest: a test that asks with an input that no server gives is
// told by a check, and is no test that may pass (T-74).
func TestCheckMistakenTest(t *testing.T) {
	d := policytest.NewDir(t)
	d.Write("p/a.rego", "package caddy.authz\n\nallow if input.identity.authenticated\n")
	d.Write("p/a_test.rego", "package caddy.authz_test\n\nimport data.caddy.authz\n\ntest_strangers if not authz.allow with input as {\"identity\": {\"authenticatd\": true}}\n")
	config := policy.Config{Sources: []string{d.Path + "/p"}}
	const want = `a_test.rego:5: PA006: with input: input.identity has no "authenticatd"; did you mean authenticated?`
	report := checked(t, config, CheckOptions{})
	if report.Clean() || !strings.Contains(strings.Join(report.Warnings, "\n"), want) {
		t.Errorf("got %q", report.Warnings)
	}
	if _, err := testrun.Run(context.Background(), options(t, config), testrun.Options{}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the tests were run: %v", err)
	}
}
