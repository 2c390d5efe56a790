package bundle

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/textutil"
)

// undefinedFunction begins OPA's error for a call of a function that does not exist.
const undefinedFunction = "undefined function "

// suggestFunctions adds the function that was probably meant to errors of OPA's compiler
// about undefined functions.
func suggestFunctions(errs ast.Errors, modules map[string]*ast.Module, capabilities *ast.Capabilities) ast.Errors {
	suggested := slices.Clone(errs)
	for i, err := range suggested {
		path, ok := strings.CutPrefix(err.Message, undefinedFunction)
		if !ok || strings.ContainsAny(path, ": ") { // explained already
			continue
		}
		changed := *err
		changed.Message += suggestFunction(path, err.Location, modules, capabilities)
		suggested[i] = &changed
	}
	return suggested
}

// suggestFunction returns a clause that suggests a function for one that does not exist: of
// the same package, or a built-in one, or a helper.
func suggestFunction(path string, at *ast.Location, modules map[string]*ast.Module, capabilities *ast.Capabilities) string {
	if strings.HasPrefix(path, "data.") {
		end := strings.LastIndexByte(path, '.')
		pkg := Ref(path[:end])
		if suggestion := textutil.DidYouMean(path[end+1:], functionNames(pkg, modules)); suggestion != "" {
			return suggestion
		}
		return suggestPackage(path[:end])
	}
	var names []string
	for _, function := range capabilities.Builtins {
		names = append(names, function.Name)
	}
	if at != nil && modules[at.File] != nil {
		names = append(names, functionNames(modules[at.File].Package.Path, modules)...)
	}
	if own, err := Embedded(); err == nil && slices.Contains(functionNames(Ref("data.caddy.helpers"), own), path) {
		return "; did you mean helpers." + path + "? It needs import data.caddy.helpers"
	}
	return textutil.DidYouMean(path, names)
}

// suggestPackage returns a clause that suggests a built-in package for one that has no
// such function.
func suggestPackage(path string) string {
	packages, err := BuiltInPackages()
	if err != nil {
		return ""
	}
	var names []string
	for _, pkg := range packages {
		if names = append(names, pkg.String()); pkg.String() == path {
			return ""
		}
	}
	return textutil.DidYouMean(path, names)
}

// functionNames returns the names of the functions of a package.
func functionNames(pkg ast.Ref, modules map[string]*ast.Module) []string {
	var names []string
	for _, module := range modules {
		if !module.Package.Path.Equal(pkg) {
			continue
		}
		for _, rule := range module.Rules {
			if len(rule.Head.Args) > 0 {
				names = append(names, rule.Head.Ref()[0].String())
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
