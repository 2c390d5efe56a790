package builtins

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/rego"
)

// evaluate evaluates data.caddy.authz.allow of a policy with input.config.x.
func evaluate(t testing.TB, source string, x any, strict bool) (allow bool, err error) {
	t.Helper()
	results, err := rego.New(
		rego.Query("data.caddy.authz.allow"), rego.Module("authz.rego", source), rego.Input(map[string]any{"config": map[string]any{"x": x}}),
		rego.Capabilities(Capabilities(Gated())), rego.StrictBuiltinErrors(strict),
	).Eval(t.Context())
	return results.Allowed(), err
}

// TestN15Operands: a built-in function takes no more than it can compute in time;
// more ends the evaluation, also behind "not" and
// where errors of built-in functions are undefined, and nothing of it is in the error.
func TestN15Operands(t *testing.T) {
	long := strings.Repeat("s3cret ", maxOperand/7+1)
	digits, megabytes := strings.Repeat("1", 1<<20), strings.Repeat("x", 6<<20)
	items := func(n int) []any {
		list := make([]any, n)
		for i := range list {
			list[i] = "10.0.0.1"
		}
		return list
	}
	accents := []any{strings.Repeat("é", 250_000), strings.Repeat("ü", 250_000)}
	var copies, huge []any
	for range 50 {
		copies = append(copies, map[string]any{"op": "copy", "from": "", "path": "/a"})
		huge = append(huge, json.Number("1e308"))
	}
	tests := []struct {
		call string
		x    any
	}{
		{"yaml.unmarshal(x)", long},
		{"yaml.is_valid(x)", long},
		{"yaml.marshal(x)", items(20_000)},
		{"units.parse(x)", digits},
		{"units.parse_bytes(x)", digits},
		{"to_number(x)", digits},
		{"to_number(x)", "0." + digits},
		{"to_number(x)", "1e-1000000"},
		{"json.unmarshal(x)", "[" + digits + "]"},
		{"json.unmarshal(x)", "{\"a\": 1e1000000}"},
		{"json.match_schema(x, {})", "[1." + digits + "]"},
		{"json.verify_schema(x)", "{\"multipleOf\": " + digits + "}"},
		{"concat(x, [x, x, x])", megabytes},
		{"concat(x, {x, \"a\", \"b\"})", megabytes},
		{"replace(x, \"x\", x)", megabytes},
		{"replace(x, \"\", \"abc\")", megabytes},
		{"strings.replace_n({\"x\": x}, \"xx\")", megabytes},
		{"regex.replace(x, \"x\", \"abc\")", megabytes},
		{"regex.replace(x, \"x+\", \"$0$0\")", megabytes},
		{"sprintf(\"%s%s%s\", [x, x, x])", megabytes},
		{"sprintf(\"%x\", [x])", megabytes},
		{"sprintf(\"%v%v\", [{\"a\": [{x}]}])", megabytes},
		{"sprintf(x, [1])", strings.Repeat("%1000000d", 20)},
		{"sprintf(x, [1000000, 1])", strings.Repeat("%[1]*d", 20)},
		{"sprintf(x, [1.5])", strings.Repeat("%.99999999999999999999f", 20)},
		{"semver.compare(x, \"1.0.0\")", long},
		{"semver.is_valid(x)", long},
		{"strings.render_template(x, {})", long},
		{"io.jwt.decode(x)", long},
		{"io.jwt.decode_verify(x, {\"secret\": \"x\"})", long},
		{"json.verify_schema(x)", long},
		{"json.unmarshal(x)", "[" + strings.Repeat("{},", 20_000) + "1]"},
		{"json.unmarshal(x)", strings.Repeat("[", 65) + strings.Repeat("]", 65)},
		{"json.match_schema(x, {})", "[" + strings.Repeat("{},", 20_000) + "1]"},
		{"glob.match(x, [], \"a\")", long},
		{"glob.match(\"*a*b*c*d*e*\", [\"/\"], x)", strings.Repeat("abcd", 256)},
		{"glob.match(\"**a**b**c**d**e**\", [\"/\"], x)", strings.Repeat("a/b/c/d/", 128)},
		{"glob.match(\"{*a*,*b*}*c*d*e\", null, x)", strings.Repeat("abcd", 256)},
		{"glob.match(x, [], \"" + strings.Repeat("ab", 4096) + "\")", strings.Repeat("*a*b", 20)},
		{"trim(x[0], x[1])", accents},
		{"trim_left(x[0], x[1])", accents},
		{"trim_right(x[0], x[1])", accents},
		{"replace(x, x, x)", strings.Repeat("x", 1<<20)},
		{"replace(\"a\", x, \"b\")", strings.Repeat("x", 1<<20)},
		{"strings.replace_n({x: \"b\"}, \"a\")", strings.Repeat("x", 1<<20)},
		{"product(x)", huge},
		{"json.patch({}, x)", copies},
		{"regex.globs_match(x, \"a\")", long},
		{"regex.template_match(x, \"a\", \"{\", \"}\")", long},
		{"regex.match(x, \"a\")", long},
		{"regex.match(x, \"a\")", strings.Repeat("(a|b)*", 1000)},
		{"regex.is_valid(x)", strings.Repeat("(a|b)*", 1000)},
		{"regex.match(\"" + strings.Repeat("ab?", 100) + "\", x)", strings.Repeat("a", 1<<20)},
		{"regex.split(x, \"a\")", long},
		{"regex.find_n(x, \"a\", 1)", long},
		{"regex.find_all_string_submatch_n(x, \"a\", 1)", long},
		{"regex.replace(\"a\", x, \"a\")", long},
		{"sprintf(x, [])", long},
		{"graphql.is_valid(x, \"type Query{a:Int}\")", long},
		{"graphql.is_valid(\"{a}\", x)", long},
		{"graphql.parse(x, \"type Query{a:Int}\")", long},
		{"graphql.parse_and_verify(x, \"type Query{a:Int}\")", long},
		{"graphql.parse_query(x)", long},
		{"graphql.parse_schema(x)", long},
		{"graphql.schema_is_valid(x)", long},
		{"rego.parse_module(\"a.rego\", x)", long},
		{"net.cidr_contains_matches(x, x)", items(400)},
		{"bits.lsh(1, x)", 100_000_000},
		{"product(x)", items(1001)},
		{"json.patch({}, x)", items(1001)},
		{"object.filter({}, x)", items(2001)},
		{"object.remove({}, x)", items(2001)},
		{"graph.reachable(x, [\"0-0\"])", layers(10, 30)},
		{"graph.reachable(x, [\"0-0\"])", layers(2, 101)},
		{"graph.reachable_paths(x, [\"0-0\"])", layers(12, 3)},
		{"graph.reachable_paths(x, [\"0-0\"])", layers(1, 1, "chain", 1000)},
	}
	covered := map[string]bool{}
	for _, test := range tests {
		name, _, _ := strings.Cut(test.call, "(")
		covered[name] = true
		for _, lenient := range []bool{false, true} {
			source := "package caddy.authz\n\nx := input.config.x\n\nbad if " + test.call + "\n\nallow if not bad\n"
			start := time.Now()
			allow, err := evaluate(t, source, test.x, !lenient)
			if allow || !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "eval_builtin_error: "+name+": ") || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("N-15 %s, lenient %v: %v, %v", test.call, lenient, allow, err)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("N-15 %s took %s", test.call, took)
			}
		}
	}
	for name := range operandLimits {
		if !covered[name] {
			t.Errorf("N-15 %s has a bound without a case", name)
		}
	}
}

// TestN15Fits: what is usual fits, and the functions answer as OPA's own do.
func TestN15Fits(t *testing.T) {
	list := "[" + strings.Repeat("{},", 19_998/2) + "1]"
	tests := []struct {
		call string
		x    any
	}{
		{"count(yaml.unmarshal(x)) == 10", strings.Repeat("- a\n", 10)},
		{"units.parse_bytes(x) == 10000000", "10MB"},
		{"yaml.marshal(x) != \"\"", map[string]any{"a": []any{1, "x", strings.Repeat("y", 100_000)}}},
		{"to_number(x) == 1500", "1.5e3"},
		{"not json.is_valid(x)", "12" + strings.Repeat("3", 2000) + "abc"},
		{"json.unmarshal(x).a == 1e10", "{\"a\": 1e10, \"b\": \"" + strings.Repeat("1", 2000) + "\"}"},
		{"count(concat(x, [x, \"a\", x])) == 4194305", strings.Repeat("x", 1<<20)},
		{"count(replace(x, \"x\", \"0123456789\")) == 10485760", strings.Repeat("x", 1<<20)},
		{"replace(x, \"x\", \"\") == \"\"", strings.Repeat("x", 1<<20)},
		{"count(strings.replace_n({\"<\": \"&lt;\", \">\": \"&gt;\"}, x)) == 4194304", strings.Repeat("<", 1<<20)},
		{"count(regex.replace(x, \"x\", \"($0)\")) == 3145728", strings.Repeat("x", 1<<20)},
		{"count(sprintf(\"%v %5d%% %s\", [x, 7, x[0]])) == 2097164", []any{strings.Repeat("x", 1<<20)}},
		{"count(json.unmarshal(x)) == 10000", list},
		{"json.match_schema(x, {\"type\": \"array\"})[0]", list},
		{"regex.match(`^[a-z]+@example\\.com$`, x)", "me@example.com"},
		{"regex.match(x, \"b77\")", "^(" + strings.Repeat("b77|", 2000) + "c)$"},
		{"count(regex.split(\"/\", x)) == 1000001", strings.Repeat("/", 1_000_000)},
		{"regex.replace(x, \"a\", \"b\") == \"b\"", "a"},
		{"glob.match(x, [\"/\"], \"/a/b\")", "/*/b"},
		{"glob.match(\"/*/*/*/*/*/*/*/x\", [\"/\"], x)", "/" + strings.Repeat(strings.Repeat("a", 500)+"/", 7) + "x"},
		{"glob.match(\"**/a/**/b/**\", [\"/\"], x)", strings.Repeat("x/", 4000) + "a/y/b/c"},
		{"glob.match(\"{*.example.com,*.example.org}\", [], x)", strings.Repeat("x", 250) + ".example.org"},
		{"glob.match(\"*\", [], x)", strings.Repeat("x", 1<<20)},
		{"trim(x, \" \\t\") == \"x\"", strings.Repeat(" ", 1<<20) + "x"},
		{"product(x) == 1024", []any{2, 2, 2, 2, 2, 2, 2, 2, 2, 2}},
		{"json.patch({\"a\": 1}, x) == {\"a\": 1, \"b\": 1}", []any{map[string]any{"op": "copy", "from": "/a", "path": "/b"}}},
		{"count(net.cidr_contains_matches(x, \"10.0.0.1\")) == 2", []any{"10.0.0.0/8", "10.0.0.0/24"}},
		{"bits.lsh(1, x) == 1024", 10},
		{"object.remove({\"a\": 1, \"b\": 2}, x) == {\"b\": 2}", []any{"a"}},
		{"object.filter({\"a\": 1, \"b\": 2}, x) == {\"a\": 1}", []any{"a"}},
		{"product(x) == 6", []any{1, 2, 3}},
		{"json.patch({\"a\": 1}, x) == {\"a\": 2}", []any{map[string]any{"op": "replace", "path": "/a", "value": 2}}},
		{"count(graph.reachable(x, [\"0-0\"])) == 13", layers(5, 3)},
		{"count(graph.reachable_paths(x, [\"0-0\"])) == 81", layers(5, 3)},
		{"graphql.is_valid(x, \"type Query{a:Int}\")", "{a}"},
		{"rego.parse_module(\"a.rego\", x)[\"package\"]", "package a"},
	}
	for _, test := range tests {
		if allow, err := evaluate(t, "package caddy.authz\n\nx := input.config.x\n\nallow if "+test.call+"\n", test.x, true); !allow {
			t.Errorf("N-15 %s: %v", test.call, err)
		}
	}
}

// TestN15NoNumber: digits of what is no JSON are not counted: reading it is undefined
// where errors are undefined, as in OPA.
func TestN15NoNumber(t *testing.T) {
	source := "package caddy.authz\n\nallow if not json.unmarshal(input.config.x)\n"
	if allow, err := evaluate(t, source, strings.Repeat("1", 2000)+"abc", false); !allow {
		t.Errorf("N-15 %v", err)
	}
}
