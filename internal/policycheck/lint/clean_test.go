package lint_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// regoBlock finds the policies in a document.
var regoBlock = regexp.MustCompile("(?s)```rego\n(.*?)```")

// shipped returns all policies of the project, tests and examples and those in
// documents too.
func shipped(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, root := range []string{"../../../policies", "../../../examples", "../../../docs", "../../../README.md"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".rego" && filepath.Ext(path) != ".md" || filepath.Base(path) == "lints.md" {
				return err
			}
			content, err := os.ReadFile(path)
			if filepath.Ext(path) == ".rego" {
				texts[path] = string(content)
				return err
			}
			for i, block := range regoBlock.FindAllStringSubmatch(string(content), -1) {
				if strings.Contains(block[1], "package ") {
					texts[path+" "+strconv.Itoa(i)] = block[1]
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return texts
}

// TestClean: nothing is found in the policies that this project ships, nor in
// those of its documents, nor in their tests.
func TestClean(t *testing.T) {
	texts := shipped(t)
	if len(texts) < 10 {
		t.Fatalf("only %d policies", len(texts))
	}
	common, alone := map[string]*ast.Module{}, map[string]*ast.Module{}
	for path, text := range texts {
		module, err := ast.ParseModule(path, text)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(path, "../../../policies/") {
			common[path] = module
		} else {
			alone[path] = module
		}
	}
	check := func(modules map[string]*ast.Module) {
		compiler := ast.NewCompiler()
		if compiler.Compile(modules); compiler.Failed() {
			t.Fatal(compiler.Errors)
		}
		for _, line := range findings(t, compiler, modules) {
			t.Error(line)
		}
	}
	check(common)
	for path, module := range alone {
		modules := map[string]*ast.Module{path: module}
		maps.Copy(modules, common)
		check(modules)
	}
}
