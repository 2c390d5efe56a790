package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/policy/builtins"
)

// program is compiled policies, whatever data they will be asked with. It is
// immutable and knows nothing of any data, so that snapshots of different data
// share it and none keeps another one's.
type program struct {
	modules  map[string]*ast.Module // all of them, as they were parsed
	compiled map[string]*ast.Module // those of them that are evaluated
	outlines map[string]*outline    // of all of them, and of tests
	typing   typing
	compiler *ast.Compiler
	decision ast.Ref
	reads    reads
	// readsBody says that the request's body is among them.
	readsBody bool
	// readsHost says that a rule which is not of access tables may read the host.
	readsHost bool
	unsure    []string // why decisions cannot be remembered
	// projection builds what the decision reads of input.
	projection *projection
	callers    *identityCache
	findings   []string // that are worth a warning
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
func (l *loader) compile(m *material) (*program, error) {
	compiling.Lock()
	defer compiling.Unlock()
	last := l.program
	if last != nil && maps.Equal(last.modules, m.modules) && last.typing.equal(m.typing) {
		return last, nil
	}
	p, err := l.compileNeeded(m, last)
	if err != nil {
		p, err = l.compileTogether(m, m.modules)
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
func (l *loader) compileNeeded(m *material, last *program) (*program, error) {
	g := newGraph(m)
	p, err := l.compileAgain(m, subset(m.modules, g.needed(l.roots())), last)
	if err != nil {
		return nil, err
	}
	var unchecked []dataPath
	for file := range g.affected(changes(last, m.modules)) {
		if p.compiled[file] == nil && !strings.HasPrefix(file, embeddedPrefix) {
			unchecked = append(unchecked, m.outlines[file].pkg)
		}
	}
	return p, check(subset(m.modules, g.needed(unchecked)), l.capabilities)
}

// compileAgain returns the last program if its modules are still what is needed, and
// else a new one.
func (l *loader) compileAgain(m *material, needed map[string]*ast.Module, last *program) (*program, error) {
	if last == nil || !maps.Equal(last.compiled, needed) || !last.typing.equal(m.typing) {
		return l.compileTogether(m, needed)
	}
	p := *last
	p.modules, p.outlines = m.modules, m.outlines
	return &p, nil
}

// overlapped reports whether there is data in the place of a rule that is not evaluated.
func (p *program) overlapped(exists func([]string) (bool, error)) bool {
	for file := range p.modules {
		if p.compiled[file] != nil {
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
func changes(last *program, modules map[string]*ast.Module) []dataPath {
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
func (l *loader) compileTogether(m *material, modules map[string]*ast.Module) (*program, error) {
	p := &program{modules: m.modules, outlines: m.outlines, compiled: modules, typing: m.typing}
	p.compiler = ast.NewCompiler().WithCapabilities(l.capabilities).SetErrorLimit(maxErrors)
	if p.compiler.Compile(modules); p.compiler.Failed() { // it works on copies
		return nil, joinBounded([]error{builtins.ExplainGated(p.compiler.Errors)})
	}
	var err error
	if p.decision, err = resolve(p.compiler, l.config); err != nil {
		for _, path := range m.tableAt {
			err = fmt.Errorf("%w; %s is read as data, but %s", err, path, asTable(path))
		}
		return nil, err
	}
	if !l.config.OPAEnvoy { // those are written for another input
		if p.findings, err = m.judge(p); err != nil {
			return nil, err
		}
	}
	found := inspect(p.compiler, p.decision)
	p.reads, p.unsure, p.readsBody = found.reads, found.unsure(), slices.ContainsFunc(bodyPaths, found.reads.reads)
	p.readsHost = slices.ContainsFunc(hostPaths, found.own.reads)
	p.projection, p.callers = project(p.reads), newIdentityCache()
	return p, nil
}
