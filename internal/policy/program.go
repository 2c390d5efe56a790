package policy

import (
	"fmt"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// program is compiled policies, whatever data they will be asked with. It is
// immutable and knows nothing of any data, so that snapshots of different data
// share it and none keeps another one's.
type program struct {
	modules  map[string]*ast.Module // as they were parsed
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
	callers    *callers
	steady     *steady
	findings   []string // that are worth a warning
}

// compile compiles the policies, resolves the decision and judges what it
// reaches by what input and data are. If the policies are those of the last
// time, so is the program.
func (l *loader) compile(m *material) (*program, error) {
	if last := l.program; last != nil && maps.Equal(last.modules, m.modules) && last.typing.equal(m.typing) {
		return last, nil
	}
	p := &program{modules: m.modules, typing: m.typing}
	p.compiler = ast.NewCompiler().WithCapabilities(l.capabilities).SetErrorLimit(maxErrors)
	if p.compiler.Compile(m.modules); p.compiler.Failed() { // it works on copies
		return nil, joinBounded([]error{explainGated(p.compiler.Errors)})
	}
	var err error
	if p.decision, err = resolve(p.compiler, l.config); err != nil {
		for _, path := range m.tableAt {
			err = fmt.Errorf("%w; %s is read as data, but %s", err, path, asTable(path))
		}
		return nil, err
	}
	if !l.config.OPAEnvoy { // those are written for another input
		if p.findings, err = m.judge(p.compiler, p.decision); err != nil {
			return nil, err
		}
	}
	found := inspect(p.compiler, p.decision)
	p.reads, p.unsure, p.readsBody = found.reads, found.unsure(), slices.ContainsFunc(bodyPaths, found.reads.reads)
	p.readsHost = slices.ContainsFunc(hostPaths, found.own.reads)
	p.projection, p.callers, p.steady = project(p.reads), newCallers(), findSteady(p.compiler, found.rules)
	l.program = p
	return p, nil
}
