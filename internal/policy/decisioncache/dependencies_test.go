package decisioncache

import (
	"slices"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// TestReads: what a decision may read of input.
func TestReads(t *testing.T) {
	tests := []struct {
		name, rules string
		want        []string
	}{
		{"nothing", "allow := true", nil},
		{"a field", `allow if input.request.method == "GET"`, []string{"request.method"}},
		{"in the head", `allow := {"allow": true, "headers": {"a": input.identity.id}}`, []string{"identity.id"}},
		{"up to a variable", `allow if input.request.headers[input.config.header] == "x"`, []string{"config.header", "request.headers"}},
		{"up to a number", `allow if input.request.segments[0] == "a"`, []string{"request.segments"}},
		{"another rule", "allow if ok\n\nok if input.tls.sni == \"a\"", []string{"tls.sni"}},
		{"a rule by a variable", "allow if rules[_]\n\nrules.a if input.tls.sni\n\nrules.b if input.tls.alpn", []string{"tls.alpn", "tls.sni"}},
		{"a function", "allow if f(1)\n\nf(x) if input.request.port == x", []string{"request.port"}},
		{"given to a function", "allow if f(input)\n\nf(x) if x.request.port", []string{"input"}},
		{"an alias", "allow if {\n\tr := input.request\n\tr.method == \"GET\"\n}", []string{"request"}},
		{"an import", "import input.request as r\n\nallow if r.method == \"GET\"", []string{"request.method"}},
		{"else", "allow if {\n\tfalse\n} else if input.request.grpc", []string{"request.grpc"}},
		{"not", "allow if not input.request.websocket", []string{"request.websocket"}},
		{"a comprehension", `allow if count([x | some x in input.identity.roles; x == input.config.role]) > 0`, []string{"config.role", "identity.roles"}},
		{"every", "allow if every x in input.identity.roles {\n\tx == input.config.role\n}", []string{"config.role", "identity.roles"}},
		{"with", `allow if ok with input as {"a": input.client.ip}` + "\n\nok if input.a", []string{"a", "client.ip"}},
		{"a set", "allow if count(deny) == 0\n\ndeny contains input.identity.id if input.identity.kind == \"x\"", []string{"identity.id", "identity.kind"}},
		{"a default", "default allow := false\n\nallow if input.identity.id", []string{"identity.id"}},
		{"what is not asked", "allow := true\n\nother if input.request.body", nil},
		{"a name with a dot", `allow if input.identity.claims["a.b"].c`, []string{"identity.claims"}},
		{"the reference of a head", "allow if are.GET.may\n\nare[input.request.method].may := true if input.identity.authenticated", []string{"identity.authenticated", "request.method"}},
		{"an alias in the reference of a head", "allow if are.GET.may\n\nare[m].may := true if m := input.request.method", []string{"request.method"}},
		{"an alias in the value of a head", "allow if own.path == \"/\"\n\nown := o if {\n\to := input.request\n\tobject.get(o, \"method\", \"\") == \"GET\"\n}", []string{"request"}},
		{"a called alias in the reference of a head", "allow if {\n\tsome o\n\town[o].may\n\to.path == \"/\"\n}\n\nown[o].may if {\n\to := input.request\n\tobject.get(o, \"method\", \"\") == \"GET\"\n}", []string{"request"}},
		{"members of an alias", "allow if {\n\to := input.request\n\tobject.get(o, \"method\", \"\") == \"GET\"\n}", []string{"request.method"}},
		{"a word of a body inside", "allow if {\n\tinput.client[n]\n\tcount([1 | n = [\"ip\"][_]]) == 0\n\tinput.request[n]\n}", []string{"client", "request"}},
		{"whether something is there", "allow if {\n\tx := input.request.headers.a\n\t_ = input.identity.claims.b\n}", []string{"identity.claims.b", "request.headers.a"}},
		{"a number written in another way", "allow if are[1.0] == 7\n\nare[x] := 5 if some x in [3]\n\nare[1] := 7 if input.tls.sni == \"a\"", []string{"tls.sni"}},
		{"another function for object.get", "allow if own with object.get as other\n\nown if {\n\tr := input.request\n\tobject.get(r, \"host\", \"\") == \"GET\"\n}\n\nother(r, _, _) := r.method", []string{"input"}},
		{"one or the other", "import future.keywords.or\n\nallow if input.tls.sni == \"a\" or input.identity.id == \"b\"", []string{"identity.id", "tls.sni"}},
		{"not both", "import future.keywords.not\n\nallow if not {\n\tinput.tls.sni == \"a\"\n\tinput.identity.id == \"b\"\n}", []string{"identity.id", "tls.sni"}},
		{"all of it", "allow if walk(input, [[\"x\"], true])", []string{"input"}},
		{"any key", "allow if input[x].y", []string{"input"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := inspected(t, test.rules).Reads.Names(); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// inspected returns the dependencies of rules of caddy.authz.
func inspected(t testing.TB, rules string) *Dependencies {
	t.Helper()
	compiler := ast.NewCompiler()
	module, err := ast.ParseModuleWithOpts("a.rego", "package caddy.authz\n\n"+rules, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		t.Fatal(err)
	}
	if compiler.Compile(map[string]*ast.Module{"a.rego": module}); compiler.Failed() {
		t.Fatal(compiler.Errors)
	}
	return Inspect(compiler, ast.MustParseRef("data.caddy.authz.allow"), false)
}
