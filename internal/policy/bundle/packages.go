package bundle

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// dataPath is a reference below data as far as its names are known: a package, a rule,
// or what an expression refers to.
type dataPath []string

// overlaps reports whether one of two paths leads to the other.
func (p dataPath) overlaps(other dataPath) bool {
	n := min(len(p), len(other))
	return slices.Equal(p[:n], other[:n])
}

// dataPathOf returns the path of a reference. It ends before the first part that is no
// name, so that it stands for whatever may follow.
func dataPathOf(ref ast.Ref) dataPath {
	var names dataPath
	for _, term := range ref[1:] {
		name, ok := term.Value.(ast.String)
		if !ok {
			break
		}
		names = append(names, string(name))
	}
	return names
}

// outline is what a module, as it was parsed, may have to do with others.
type outline struct {
	pkg  dataPath
	uses []dataPath // what it refers to below data, and its own package
	// rules are where its rules stand among data.
	rules []dataPath
}

// outlineOf outlines a module. What cannot be told counts as used: an import as all
// that is below it, and a variable in a reference as everything that it may stand for.
func outlineOf(module *ast.Module) *outline {
	o := &outline{pkg: dataPathOf(module.Package.Path)}
	var visitor *ast.GenericVisitor
	visitor = ast.NewGenericVisitor(func(node any) bool {
		switch node := node.(type) {
		case ast.Ref: // data by itself is one, too
			if node.HasPrefix(ast.DefaultRootRef) {
				o.uses = append(o.uses, dataPathOf(node))
				node = node[1:]
			}
			for _, term := range node {
				visitor.Walk(term)
			}
			return true
		case *ast.Head:
			visitor.Walk(node.Reference) // which the visitor leaves out
		}
		return false
	})
	visitor.Walk(module)
	slices.SortFunc(o.uses, slices.Compare)
	o.uses = slices.CompactFunc(o.uses, slices.Equal)
	for _, rule := range module.Rules {
		if at, ok := placeOf(rule); ok {
			o.rules = append(o.rules, at)
		}
	}
	return o
}

// placeOf returns where a rule stands among data. There is no such place if its name
// has a part that is a constant but no text: data has none of those.
func placeOf(rule *ast.Rule) (dataPath, bool) {
	ref := rule.Ref()
	at := dataPathOf(ref)
	rest := ref[1+len(at):]
	return at, len(rest) == 0 || !ast.IsScalar(rest[0].Value)
}

// pathTree finds modules by the paths that overlap another one.
type pathTree struct {
	modules []string
	below   map[string]*pathTree
}

// add adds a module at a path.
func (t *pathTree) add(at dataPath, module string) {
	for _, name := range at {
		next := t.below[name]
		if next == nil {
			if t.below == nil {
				t.below = map[string]*pathTree{}
			}
			next = &pathTree{}
			t.below[name] = next
		}
		t = next
	}
	t.modules = append(t.modules, module)
}

// search collects modules, and looks at no part of a tree twice.
type search struct {
	found map[string]bool
	fresh []string // found and not yet followed
	whole map[*pathTree]bool
}

// overlapping collects the modules at all paths that overlap one.
func (s *search) overlapping(t *pathTree, at dataPath) {
	for _, name := range at {
		s.collect(t.modules)
		if t = t.below[name]; t == nil {
			return
		}
	}
	s.all(t)
}

func (s *search) all(t *pathTree) {
	if s.whole[t] {
		return
	}
	s.whole[t] = true
	s.collect(t.modules)
	for _, below := range t.below {
		s.all(below)
	}
}

func (s *search) collect(modules []string) {
	for _, module := range modules {
		if !s.found[module] {
			s.found[module] = true
			s.fresh = append(s.fresh, module)
		}
	}
}

// closure returns the modules at paths that overlap given ones, and at those that
// follow from the modules found.
func (t *pathTree) closure(from []dataPath, follow func(module string) []dataPath) map[string]bool {
	s := &search{found: map[string]bool{}, whole: map[*pathTree]bool{}}
	for _, at := range from {
		s.overlapping(t, at)
	}
	for len(s.fresh) > 0 {
		next := s.fresh[len(s.fresh)-1]
		s.fresh = s.fresh[:len(s.fresh)-1]
		for _, at := range follow(next) {
			s.overlapping(t, at)
		}
	}
	return s.found
}

// graph says which modules need which. OPA compiles a module to the same, and finds the
// same mistakes in it, together with all modules and together with those that it needs.
type graph struct {
	outlines      map[string]*outline
	owners, users *pathTree
}

// newGraph makes the graph of the modules without tests.
func newGraph(b *Bundle) *graph {
	g := &graph{outlines: b.outlines, owners: &pathTree{}, users: &pathTree{}}
	for file := range b.Modules {
		o := b.outlines[file]
		g.owners.add(o.pkg, file)
		for _, used := range o.uses {
			g.users.add(used, file)
		}
	}
	return g
}

// needed returns the modules that evaluating or compiling what is at some paths needs,
// directly or not. A package that another one is within is needed for it, and the other
// way round, since their rules may conflict.
func (g *graph) needed(from []dataPath) map[string]bool {
	return g.owners.closure(from, func(file string) []dataPath { return g.outlines[file].uses })
}

// affected returns the modules that need what is at some paths, directly or not.
func (g *graph) affected(changed []dataPath) map[string]bool {
	return g.users.closure(changed, func(file string) []dataPath { return []dataPath{g.outlines[file].pkg} })
}
