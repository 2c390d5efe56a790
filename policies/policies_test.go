package policies_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/policyauth/caddy-policy-auth/policies"
)

// TestRego runs the Rego tests of this folder as opa test does, in strict mode and with
// strict errors of built-in functions.
func TestRego(t *testing.T) {
	modules, store, err := tester.Load([]string{"."}, nil)
	if err != nil {
		t.Fatal(err)
	}
	txn := storage.NewTransactionOrDie(t.Context(), store)
	defer store.Abort(t.Context(), txn)
	compiler := ast.NewCompiler().WithStrict(true).WithPathConflictsCheck(storage.NonEmpty(t.Context(), store, txn))
	runner := tester.NewRunner().SetCompiler(compiler).SetStore(store).SetModules(modules).RaiseBuiltinErrors(true)
	results, err := runner.RunTests(t.Context(), txn)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for result := range results {
		if count++; !result.Pass() {
			t.Errorf("%s: %s (%v)", result.Location, result, result.Error)
		}
	}
	if count < 20 {
		t.Errorf("only %d tests were found", count)
	}
}

// TestFormat: opa fmt does not change the files, and each package and each rule that
// policies may use has a description.
func TestFormat(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".rego" {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		formatted, err := format.Source(path, content)
		if err != nil || !bytes.Equal(content, formatted) {
			t.Errorf("%s: run opa fmt -w (%v)", path, err)
		}
		if !strings.HasSuffix(path, "_test.rego") && !bytes.HasPrefix(content, []byte("# METADATA\n")) {
			t.Errorf("%s: its package has no METADATA", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// schema returns an embedded schema.
func schema(t *testing.T, name string) any {
	t.Helper()
	content, err := fs.ReadFile(policies.FS, "schemas/"+name)
	if err != nil {
		t.Fatal(err)
	}
	var decoded any
	if err := json.Unmarshal(content, &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

// parsed parses the embedded modules, with their tests, and one more module.
func parsed(t *testing.T, more string) map[string]*ast.Module {
	t.Helper()
	modules := map[string]*ast.Module{}
	if more != "" {
		modules["more.rego"] = ast.MustParseModule(more)
	}
	err := fs.WalkDir(policies.FS, "caddy", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(policies.FS, path)
		if err == nil {
			modules[path], err = ast.ParseModule(path, string(content))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return modules
}

// TestInputSchema: the built-in policies read no field that the input document does not
// have. Compiled with the schema, a misspelt field is an error, and a field of an open
// object is not.
func TestInputSchema(t *testing.T) {
	tests := []struct {
		name, body string
		want       bool
	}{
		{"nothing more", "true", true},
		{"a header", `input.request.headers["x-team"] == "blue"`, true},
		{"a line of a header", `input.request.header_values["x-team"][0] == "blue"`, true},
		{"a parameter", "input.request.query.k[0] == input.request.segments[1]", true},
		{"claims", "input.identity.claims.realm.team == 1", true},
		{"config", "input.config.members_path", true},
		{"the body", "input.request.body.a.b", true},
		{"a certificate", "input.tls.client_certificate.verified", true},
		{"a misspelt field", "input.request.metod", false},
		{"a misspelt section", "input.identiy.authenticated", false},
		{"a field of a string", "input.request.path.x", false},
		{"roles as an object", "input.identity.roles.admin", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			schemas := ast.NewSchemaSet()
			schemas.Put(ast.SchemaRootRef, schema(t, "input.json"))
			compiler := ast.NewCompiler().WithSchemas(schemas).WithStrict(true)
			compiler.Compile(parsed(t, "package more\n\nallow if "+test.body+"\n"))
			if got := !compiler.Failed(); got != test.want {
				t.Errorf("compiles: %v, want %v: %v", got, test.want, compiler.Errors)
			}
		})
	}
}

// matches evaluates an expression and returns why its value does not match a schema.
func matches(t *testing.T, expression string, against any) []any {
	t.Helper()
	results, err := rego.New(
		rego.Query("json.match_schema("+expression+", input.schema, [_, problems])"),
		rego.Compiler(ast.MustCompileModules(sources(t))), rego.Input(map[string]any{"schema": against}), rego.StrictBuiltinErrors(true),
	).Eval(t.Context())
	if err != nil || len(results) != 1 {
		t.Fatalf("%v %v", results, err)
	}
	problems, _ := results[0].Bindings["problems"].([]any)
	return problems
}

func sources(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for path := range parsed(t, "") {
		content, err := fs.ReadFile(policies.FS, path)
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(content)
	}
	return texts
}

// TestBuilders: the documents that caddy.testing builds have the same fields as those of
// the server.
func TestBuilders(t *testing.T) {
	for _, identity := range []string{"anonymous", `user("alice", ["admin"])`, `token("app", ["read"])`} {
		expression := `data.caddy.testing.input_of(data.caddy.testing.request("GET", "/a"), data.caddy.testing.` + identity + `)`
		if problems := matches(t, expression, schema(t, "input.json")); len(problems) > 0 {
			t.Errorf("%s: %v", identity, problems)
		}
	}
	if problems := matches(t, `{"contract": "caddy/v1"}`, schema(t, "input.json")); len(problems) == 0 {
		t.Error("the schema matches an input without its sections")
	}
}
