package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing/fstest"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/loader"

	"github.com/policyauth/caddy-policy-auth/internal/files"
)

// keep says which files of a policy directory are looked at: a plain OPA
// bundle root. Other JSON and YAML is looked at to be warned about.
func keep(path string) bool {
	name := filepath.Base(path)
	if strings.HasPrefix(name, ".") {
		return name == ".manifest"
	}
	switch filepath.Ext(name) {
	case ".rego":
		return !strings.HasSuffix(name, "_test.rego")
	case ".json", ".yaml", ".yml":
		return true
	}
	return false
}

// dataNames are the data files of a bundle root; each one's directory is where
// its content stands below data.
var dataNames = []string{"data.json", "data.yaml", "data.yml"}

// material is what a look at the sources found.
type material struct {
	modules  map[string]*ast.Module
	data     map[string]any
	warnings []string
	revision string // of a manifest, or ""
}

// gather parses the policies and data of all sources in a tree.
func gather(tree files.Tree, sources []string, capabilities *ast.Capabilities) (*material, error) {
	m := &material{modules: map[string]*ast.Module{}, data: map[string]any{}}
	for _, source := range sources {
		if err := m.add(tree, source, capabilities); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// add parses one source: a file, or what is below a directory.
func (m *material) add(tree files.Tree, source string, capabilities *ast.Capabilities) error {
	data := fstest.MapFS{}
	policies := 0
	var problems []error
	for _, path := range tree.Paths() {
		name, below := relative(source, path)
		if !below {
			continue
		}
		switch base := filepath.Base(name); {
		case filepath.Ext(name) == ".rego":
			policies++
			problems = append(problems, m.parse(path, tree[path], capabilities))
		case base == ".manifest":
			problems = append(problems, m.readManifest(path, tree[path]))
		case slices.Contains(dataNames, base):
			data[filepath.ToSlash(name)] = &fstest.MapFile{Data: tree[path]}
		default:
			m.warnings = append(m.warnings, fmt.Sprintf("%s is not read: data files are named %s", path, strings.Join(dataNames, ", ")))
		}
	}
	if err := joinBounded(problems); err != nil {
		return err
	}
	if policies == 0 && len(data) == 0 {
		return fmt.Errorf("%s: neither policies (*.rego) nor data (%s) there", source, strings.Join(dataNames, ", "))
	}
	return m.merge(source, data)
}

// relative returns a path's name below a source. A source that is a file of
// data stands for a data file at the root.
func relative(source, path string) (string, bool) {
	if path == source {
		if ext := filepath.Ext(path); ext != ".rego" {
			return "data" + ext, true
		}
		return filepath.Base(path), true
	}
	return strings.CutPrefix(path, source+string(filepath.Separator))
}

func (m *material) parse(path string, content []byte, capabilities *ast.Capabilities) error {
	module, err := ast.ParseModuleWithOpts(path, string(content), ast.ParserOptions{
		RegoVersion: ast.RegoV1, Capabilities: capabilities, ProcessAnnotation: true,
	})
	if err != nil {
		return err
	}
	if module == nil {
		return fmt.Errorf("%s:1: the file has no policy in it", path)
	}
	m.modules[path] = module
	return nil
}

// readManifest takes the revision of a bundle's manifest.
func (m *material) readManifest(path string, content []byte) error {
	var manifest struct{ Revision string }
	if err := json.Unmarshal(content, &manifest); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	m.revision = manifest.Revision
	return nil
}

// merge adds a source's data. OPA's loader reads it and refuses conflicts
// within the source; conflicts between sources are refused here.
func (m *material) merge(source string, data fstest.MapFS) error {
	if len(data) == 0 {
		return nil
	}
	loaded, err := loader.NewFileLoader().WithFS(data).All([]string{"."})
	if err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	if path, ok := mergeInto(m.data, loaded.Documents, "data"); !ok {
		return fmt.Errorf("%s: %s is also in another source", source, path)
	}
	return nil
}

// mergeInto adds the members of one document to another, which has to have none
// of its leaves. It returns the path of a conflict.
func mergeInto(target, added map[string]any, path string) (string, bool) {
	for name, value := range added {
		at := path + "." + name
		there, exists := target[name]
		if !exists {
			target[name] = value
			continue
		}
		both, ok1 := there.(map[string]any)
		more, ok2 := value.(map[string]any)
		if !ok1 || !ok2 {
			return at, false
		}
		if conflict, ok := mergeInto(both, more, at); !ok {
			return conflict, false
		}
	}
	return "", true
}

// maxErrors bounds how many mistakes are listed at once.
const maxErrors = 10

// joinBounded joins the first errors, or returns nil.
func joinBounded(problems []error) error {
	problems = slices.DeleteFunc(problems, func(err error) bool { return err == nil })
	if len(problems) > maxErrors {
		problems = append(problems[:maxErrors], fmt.Errorf("and %d more", len(problems)-maxErrors))
	}
	return errors.Join(problems...)
}
