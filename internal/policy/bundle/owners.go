package bundle

import (
	"fmt"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
)

// reservedRoots are the paths below data that packed bundles cannot have: they configure
// this server, or replace what is built in.
var reservedRoots = []string{"system", "caddy/access", "caddy/" + tableRoot, "caddy/helpers"}

// checkReserved returns an error if a packed bundle has policies or data in the place of
// reservedRoots (S-33).
func (s *source) checkReserved() error {
	if !IsArchive(s.path) {
		return nil
	}
	var problems []error
	for _, path := range slices.Sorted(maps.Keys(s.modules)) {
		for _, rule := range s.modules[path].Rules {
			if at := rulePath(rule); bundle.RootPathsContain(reservedRoots, at) {
				problems = append(problems, fmt.Errorf("%s: %s cannot come from a bundle; put it in a directory of this server", rule.Location, dotted(at)))
			}
		}
	}
	for _, root := range reservedRoots {
		if _, err := s.data.Find(Ref("data." + dotted(root))[1:]); err == nil {
			problems = append(problems, fmt.Errorf("%s: data.%s cannot come from a bundle; put it in a directory of this server", s.path, dotted(root)))
		}
	}
	return JoinErrors(problems)
}

// checkOwners holds sources to who owns what, if one of them is a packed bundle: their
// roots do not overlap, as in OPA, and the package of the decision is in one source alone,
// so that no other bundle can add a rule that allows (S-33).
func (l *Loader) checkOwners(sources []*source) error {
	if !slices.ContainsFunc(sources, func(s *source) bool { return IsArchive(s.path) }) {
		return nil
	}
	decision := Ref(l.options.Decision)
	pkg := segments(decision[:len(decision)-1])
	var owner *source
	for i, s := range sources {
		for _, other := range sources[:i] {
			if err := s.checkOverlap(other); err != nil {
				return err
			}
		}
		switch {
		case !s.hasRules(pkg):
		case owner != nil:
			return fmt.Errorf("%s and %s both have rules in the package of the decision, %s; with bundles, one source owns it", owner.path, s.path, dotted(pkg))
		default:
			owner = s
		}
	}
	return nil
}

// checkOverlap returns an error if two packed bundles own the same path.
func (s *source) checkOverlap(other *source) error {
	if !IsArchive(s.path) || !IsArchive(other.path) {
		return nil
	}
	for _, root := range s.manifest.owned() {
		for _, theirs := range other.manifest.owned() {
			if bundle.RootPathsOverlap(root, theirs) {
				return fmt.Errorf("the roots of %s and %s overlap: %q and %q; give each bundle its own with roots, or in its .manifest", other.path, s.path, theirs, root)
			}
		}
	}
	return nil
}

// owned returns the roots of a manifest; without any, it owns everything.
func (m *manifest) owned() []string {
	if m.Roots == nil {
		return []string{""}
	}
	return *m.Roots
}

// hasRules reports whether a source has rules at or below a path, or such that may be:
// the name of a rule can lead into another package.
func (s *source) hasRules(path string) bool {
	for _, module := range s.modules {
		if slices.ContainsFunc(module.Rules, func(rule *ast.Rule) bool { return bundle.RootPathsOverlap(rulePath(rule), path) }) {
			return true
		}
	}
	return false
}

// rulePath returns the path of a rule below data, as far as it does not depend on
// variables.
func rulePath(rule *ast.Rule) string { return segments(rule.Ref().GroundPrefix()) }
