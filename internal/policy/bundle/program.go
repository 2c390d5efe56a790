package bundle

import (
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/policy/builtins"
)

// Program is compiled policies, without data: bundles with different data share it. It is
// immutable.
type Program struct {
	// Compiler has compiled the modules that are evaluated, which are Compiled.
	Compiler *ast.Compiler
	Compiled map[string]*ast.Module
	// Decision is the rule that decides.
	Decision ast.Ref
	// Schemas are what the policies were checked with.
	Schemas Schemas

	modules  map[string]*ast.Module // all of them, as they were parsed
	outlines map[string]*outline    // of all of them, and of tests
	warnings []string
}

// compiling is held while policies are compiled. Where many sets change at once, one
// compiles at a time, which leaves the other processors to requests.
var compiling sync.Mutex

// compile compiles the policies, resolves the decision and judges what it
// reaches by what input and data are. If the policies are those of the last
// time, so is the program.
//
// The modules that are evaluated are compiled together. Of the others, those that have
// to do with a change are compiled to find mistakes in them. If there is a mistake
// anywhere, all modules are compiled together, for the same errors as without this.
func (l *Loader) compile(b *Bundle) (*Program, error) {
	compiling.Lock()
	defer compiling.Unlock()
	last := l.program
	if last != nil && maps.Equal(last.modules, b.Modules) && last.Schemas.equal(b.Schemas) {
		return last, nil
	}
	p, err := l.compileNeeded(b, last)
	if err != nil {
		p, err = l.compileTogether(b, b.Modules)
	}
	if err != nil {
		return nil, err
	}
	l.program = p
	return p, nil
}

// compileNeeded compiles the modules that the decision and the rules of the log need,
// unless they are those of the last program, and checks those of the others that have
// to do with a change.
func (l *Loader) compileNeeded(b *Bundle, last *Program) (*Program, error) {
	g := newGraph(b)
	p, err := l.compileAgain(b, subset(b.Modules, g.needed(l.roots())), last)
	if err != nil {
		return nil, err
	}
	var unchecked []dataPath
	for file := range g.affected(changes(last, b.Modules)) {
		if p.Compiled[file] == nil && !strings.HasPrefix(file, EmbeddedPrefix) {
			unchecked = append(unchecked, b.outlines[file].pkg)
		}
	}
	return p, check(subset(b.Modules, g.needed(unchecked)), l.capabilities)
}

// compileAgain returns the last program if its modules are still what is needed, and
// else a new one.
func (l *Loader) compileAgain(b *Bundle, needed map[string]*ast.Module, last *Program) (*Program, error) {
	if last == nil || !maps.Equal(last.Compiled, needed) || !last.Schemas.equal(b.Schemas) {
		return l.compileTogether(b, needed)
	}
	p := *last
	p.modules, p.outlines = b.Modules, b.outlines
	return &p, nil
}

// overlapped reports whether there is data in the place of a rule that is not evaluated.
func (p *Program) overlapped(exists func([]string) (bool, error)) bool {
	for file := range p.modules {
		if p.Compiled[file] != nil {
			continue
		}
		for _, at := range p.outlines[file].rules {
			if found, err := exists(at); found || err != nil {
				return true
			}
		}
	}
	return false
}

// subset returns the modules of some files.
func subset(modules map[string]*ast.Module, files map[string]bool) map[string]*ast.Module {
	some := make(map[string]*ast.Module, len(files))
	for file := range files {
		some[file] = modules[file]
	}
	return some
}

// changes returns the packages of which a module is new, gone or another one since the
// last program.
func changes(last *Program, modules map[string]*ast.Module) []dataPath {
	var before map[string]*ast.Module
	if last != nil {
		before = last.modules
	}
	var changed []dataPath
	for file, module := range modules {
		if before[file] != module {
			changed = append(changed, dataPathOf(module.Package.Path))
		}
	}
	for file, module := range before {
		if modules[file] != module {
			changed = append(changed, dataPathOf(module.Package.Path))
		}
	}
	return changed
}

// check compiles modules only to see whether there are mistakes in them.
func check(modules map[string]*ast.Module, capabilities *ast.Capabilities) error {
	if len(modules) == 0 {
		return nil
	}
	compiler := ast.NewCompiler().WithCapabilities(capabilities).
		WithSkipStages(ast.StageBuildRuleIndices, ast.StageBuildComprehensionIndices, ast.StageBuildRequiredCapabilities)
	if compiler.Compile(modules); compiler.Failed() {
		return compiler.Errors
	}
	return nil
}

// compileTogether makes a program of some of the modules.
func (l *Loader) compileTogether(b *Bundle, modules map[string]*ast.Module) (*Program, error) {
	p := &Program{modules: b.Modules, outlines: b.outlines, Compiled: modules, Schemas: b.Schemas}
	p.Compiler = ast.NewCompiler().WithCapabilities(l.capabilities).SetErrorLimit(MaxErrors)
	if p.Compiler.Compile(modules); p.Compiler.Failed() { // it works on copies
		return nil, JoinErrors([]error{suggestFunctions(builtins.ExplainGated(p.Compiler.Errors), modules, l.capabilities)})
	}
	var err error
	if p.Decision, err = resolve(p.Compiler, l.options); err != nil {
		for _, path := range b.tableLike {
			err = fmt.Errorf("%w; %s is read as data, but %s", err, path, asTable(path))
		}
		return nil, err
	}
	if l.options.OPAEnvoy || l.checker.Policies == nil { // policies for opa-envoy-plugin have another input
		return p, nil
	}
	p.warnings, err = l.checker.Policies(p)
	return p, err
}
