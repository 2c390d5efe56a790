package lint_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/lint"
	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/policies"
)

// builtIn returns the packages that are built in.
func builtIn(t testing.TB) []ast.Ref {
	t.Helper()
	packages, err := bundle.BuiltInPackages()
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

// input returns the shape of the input document.
func input(t testing.TB) *lint.Shape {
	t.Helper()
	shape, err := lint.Parse(request.Schema(), "input")
	if err != nil {
		t.Fatal(err)
	}
	names := request.RedactedHeaders()
	return shape.Redact(names, "request", "headers").Redact(names, "request", "header_values")
}

// embedded returns the built-in policies, without their tests.
func embedded(t testing.TB) map[string]*ast.Module {
	t.Helper()
	modules := map[string]*ast.Module{}
	err := fs.WalkDir(policies.FS, "caddy", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".rego") || strings.HasSuffix(path, "_test.rego") {
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

// compiled compiles texts together with the built-in policies.
func compiled(t testing.TB, texts map[string]string) *ast.Compiler {
	t.Helper()
	modules := embedded(t)
	for name, text := range texts {
		module, err := ast.ParseModule(name, text)
		if err != nil {
			t.Fatal(err)
		}
		modules[name] = module
	}
	compiler := ast.NewCompiler()
	if compiler.Compile(modules); compiler.Failed() {
		t.Fatal(compiler.Errors)
	}
	return compiler
}

// linted returns the findings in texts, one line each.
func linted(t testing.TB, texts map[string]string) []string {
	t.Helper()
	return findings(t, compiled(t, texts), texts)
}

// findings returns the findings in some of the compiled modules, one line each.
func findings[T any](t testing.TB, compiler *ast.Compiler, judged map[string]T) []string {
	t.Helper()
	files := map[string]bool{}
	for name := range judged {
		files[name] = true
	}
	var lines []string
	for _, finding := range lint.Run(lint.Config{Compiler: compiler, Files: files, Input: input(t), Decision: ast.MustParseRef("data.caddy.authz.allow"), Unknowns: unknowns, BuiltIn: builtIn(t)}) {
		lines = append(lines, finding.String())
	}
	return lines
}
