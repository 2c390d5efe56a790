package counterexample_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/policyauth/caddy-policy-auth/internal/policycheck/counterexample"
)

var decision = ast.MustParseRef("data.authz.allow")

// policies compiles one policy, in a file of its name.
func policies(t testing.TB, text string) counterexample.Policies {
	t.Helper()
	module, err := ast.ParseModule("a.rego", "package authz\n\n"+text)
	if err != nil {
		t.Fatal(err)
	}
	compiler := ast.NewCompiler()
	if compiler.Compile(map[string]*ast.Module{"a.rego": module}); compiler.Failed() {
		t.Fatal(compiler.Errors)
	}
	return counterexample.Policies{
		Compiler: compiler, Decision: decision, Files: map[string]bool{"a.rego": true}, Reads: func(string) bool { return true },
		Ask: func(ctx context.Context, input ast.Value, tracer topdown.QueryTracer) bool {
			query := topdown.NewQuery(ast.NewBody(ast.NewExpr(ast.NewTerm(decision)))).WithCompiler(compiler).WithInput(ast.NewTerm(input)).WithStrictBuiltinErrors(true)
			if tracer != nil {
				query = query.WithQueryTracer(tracer)
			}
			results, err := query.Run(ctx)
			return err == nil && len(results) == 1
		},
	}
}

// object decodes a JSON object.
func object(t testing.TB, text string) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value map[string]any
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// TestSearch: what is changed are single members, deep down too, and what is told
// names the first sample and counts the others; the samples stay as they were.
func TestSearch(t *testing.T) {
	const text = `{"identity": {"claims": {"a": {"b": true, "c": [1]}, "d": 1}}}`
	samples := []counterexample.Sample{{Name: "first", Input: object(t, text)}, {Name: "again", Input: object(t, text)}, {Name: "second", Input: object(t, `{"identity": {"claims": {"a": {"b": true}}}}`)}}
	report := counterexample.Search(t.Context(), policies(t, "allow if not input.identity.claims.a.b"), samples, counterexample.Options{})
	if len(report.Findings) != 1 || report.Samples != 2 || report.Denied != 2 || !report.Complete {
		t.Fatalf("got %+v", report)
	}
	f := report.Findings[0]
	want := "a.rego:3: a denial becomes an allow without input.identity.claims.a.b: not input.identity.claims.a.b\n\tfirst and 1 more: "
	if !strings.HasPrefix(f.String(), want) || f.Kind != counterexample.Missing || !f.Not || f.Samples != 2 {
		t.Errorf("got %+v", f)
	}
	if !reflect.DeepEqual(samples[0].Input, object(t, text)) {
		t.Errorf("the sample was changed: %v", samples[0].Input)
	}
	if _, err := json.Marshal(report); err != nil {
		t.Error(err)
	}
}

// TestSearchMends: a call that was broken is whole again, and what is found by
// breaking it does not depend on what was found before.
func TestSearchMends(t *testing.T) {
	p := policies(t, "allow if not odd\n\nodd if to_number(input.identity.claims.n) % 2 == 1")
	before := fmt.Sprint(p.Compiler.Modules)
	samples := []counterexample.Sample{{Name: "odd", Input: object(t, `{"identity": {"claims": {"n": "3"}}}`)}}
	first := counterexample.Search(t.Context(), p, samples, counterexample.Options{})
	second := counterexample.Search(t.Context(), p, samples, counterexample.Options{})
	if len(first.Findings) != 2 || first.Findings[0].Kind != counterexample.Broken || first.Findings[0].Change != "when to_number in line 5 has no answer" {
		t.Errorf("got %+v", first.Findings)
	}
	if fmt.Sprint(first.Findings) != fmt.Sprint(second.Findings) || before != fmt.Sprint(p.Compiler.Modules) {
		t.Error("the rules are not what they were")
	}
}

// TestSearchFiles: what a module of somebody else does is not told.
func TestSearchFiles(t *testing.T) {
	p := policies(t, "allow if not input.identity.claims.a")
	p.Files = map[string]bool{"b.rego": true}
	report := counterexample.Search(t.Context(), p, []counterexample.Sample{{Input: object(t, `{"identity": {"claims": {"a": 1}}}`)}}, counterexample.Options{})
	if len(report.Findings) != 0 {
		t.Errorf("got %+v", report.Findings)
	}
}

// TestSearchBounds: a search ends when it has asked often enough and when nobody
// waits for it any more, and says that it is not complete.
func TestSearchBounds(t *testing.T) {
	var samples []counterexample.Sample
	for i := range 200 {
		samples = append(samples, counterexample.Sample{Input: object(t, fmt.Sprintf(`{"identity": {"claims": {"a": %d}}}`, i+1))})
	}
	report := counterexample.Search(t.Context(), policies(t, "allow if not input.identity.claims.a"), samples, counterexample.Options{Evaluations: 300})
	if report.Complete || report.Evaluations != 300 {
		t.Errorf("got %d evaluations, complete %v", report.Evaluations, report.Complete)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	report = counterexample.Search(gone, policies(t, "allow if not input.identity.claims.a"), samples, counterexample.Options{})
	if report.Complete || report.Evaluations != 0 {
		t.Errorf("got %d evaluations, complete %v", report.Evaluations, report.Complete)
	}
}

// TestSearchProgress: long work is told of.
func TestSearchProgress(t *testing.T) {
	var told []int
	var samples []counterexample.Sample
	for i := range 6000 {
		samples = append(samples, counterexample.Sample{Input: map[string]any{"n": i}})
	}
	counterexample.Search(t.Context(), policies(t, "allow if input.n >= 0"), samples, counterexample.Options{Progress: func(n int) { told = append(told, n) }})
	if !slices.Equal(told, []int{5000}) {
		t.Errorf("got %v", told)
	}
}

// TestGenerate: for each rule there is a sample that meets its conditions, by
// whatever way it asks.
func TestGenerate(t *testing.T) {
	base := object(t, `{"request": {"method": "GET", "path": "/", "headers": {}, "header_values": {}, "segments": []}, "client": {"ip": ""}, "identity": {"authenticated": false, "id": "", "roles": [], "claims": {}}}`)
	tests := []struct{ name, body, want string }{
		{"an equality", `allow if input.request.method == "PUT"`, `"method":"PUT"`},
		{"the other way round", `allow if "PUT" == input.request.method`, `"method":"PUT"`},
		{"a member of a list", `allow if "admin" in input.identity.roles`, `"roles":["admin"]`},
		{"two members of a list", "allow if {\n\t\"a\" in input.identity.roles\n\t\"b\" in input.identity.roles\n}", `"roles":["a","b"]`},
		{"a list of words", `allow if input.request.method in {"PUT", "PATCH"}`, `"method":"PUT"`},
		{"by iteration", `allow if input.identity.roles[_] == "admin"`, `"roles":["admin"]`},
		{"by some", "allow if {\n\tsome role in input.identity.roles\n\trole == \"admin\"\n}", `"roles":["admin"]`},
		{"every", `allow if every role in input.identity.roles { role == "admin" }`, `"roles":["admin"]`},
		{"a claim", `allow if input.identity.claims.team.name == "blue"`, `"claims":{"team":{"name":"blue"}}`},
		{"a claim that is there", `allow if input.identity.claims.vip`, `"claims":{"vip":true}`},
		{"object.get", `allow if object.get(input.identity.claims, ["a", "b"], "") == "c"`, `"claims":{"a":{"b":"c"}}`},
		{"a variable", "allow if {\n\tid := input.identity.id\n\tid == \"bob\"\n}", `"id":"bob"`},
		{"a function", "allow if is(\"bob\")\n\nis(id) if input.identity.id == id", `"id":"bob"`},
		{"a function of input", "allow if is(input.identity)\n\nis(i) if i.id == \"bob\"", `"id":"bob"`},
		{"what a function returns", "allow if who == \"bob\"\n\nwho := id(input)\n\nid(i) := i.identity.id", `"id":"alice"`},
		{"a rule's constant", "allow if input.identity.id == boss\n\nboss := \"bob\"", `"id":"bob"`},
		{"a rule's list", "allow if input.identity.id in bosses\n\nbosses := [\"bob\"]", `"id":"bob"`},
		{"another rule", "allow if is_boss\n\nis_boss if input.identity.id == \"bob\"", `"id":"bob"`},
		{"another case", `allow if lower(input.identity.id) == "bob"`, `"id":"bob"`},
		{"a prefix", `allow if startswith(input.request.path, "/docs/")`, `"path":"/docs/"`},
		{"a segment", `allow if input.request.segments[0] == "docs"`, `"path":"/docs"`},
		{"a glob", `allow if glob.match("/docs/*", ["/"], input.request.path)`, `"path":"/docs/x"`},
		{"a network", `allow if net.cidr_contains("10.0.0.0/8", input.client.ip)`, `"ip":"10.0.0.1"`},
		{"a number", `allow if input.identity.claims.level > 3`, `"level":4`},
		{"a time", `allow if time.parse_rfc3339_ns(input.identity.claims.until) > 0`, `"until":"2199-01-01T00:00:00Z"`},
		{"a header", `allow if input.request.headers["x-team"] == "blue"`, `"header_values":{"x-team":["blue"]}`},
		{"under not", `allow if not input.identity.claims.banned`, `"claims":{"banned":true}`},
		{"a rule under not", "allow if not bad\n\nbad if input.identity.id == \"bob\"", `"id":"bob"`},
		{"an or", "import future.keywords.or\n\nallow if input.identity.id == \"bob\" or input.identity.authenticated", `"id":"bob"`},
		{"an else", "allow if {\n\tinput.identity.id == \"ann\"\n} else if {\n\tinput.identity.id == \"bob\"\n}", `"id":"bob"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var texts []string
			for _, sample := range counterexample.Generate(policies(t, test.body).Compiler, decision, base, nil) {
				text, err := json.Marshal(sample.Input)
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, string(text))
			}
			if !slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, test.want) }) {
				t.Errorf("no sample has %s:\n%s", test.want, strings.Join(texts, "\n"))
			}
		})
	}
}

// TestGenerateBounds: however many rules there are, so many samples there are and
// no more; rules that call themselves in a circle of functions do not exist.
func TestGenerateBounds(t *testing.T) {
	var text strings.Builder
	for i := range 300 {
		fmt.Fprintf(&text, "allow if {\n\tinput.identity.id == \"u%d\"\n\tnot input.identity.claims.c%d\n}\n\n", i, i)
	}
	if got := len(counterexample.Generate(policies(t, text.String()).Compiler, decision, map[string]any{}, nil)); got != 3000 {
		t.Errorf("got %d samples", got)
	}
}
