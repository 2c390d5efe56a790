package policyauth

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const ourModule = "github.com/policyauth/caddy-policy-auth"

// rooms says what each room may import of ours; docs/CONTRIBUTING.md explains.
var rooms = map[string]struct {
	imports string
	caddy   bool
}{
	"authenticator":                       {"strictjson", false},
	"internal/claimpath":                  {"authenticator", false},
	"internal/strictjson":                 {"", false},
	"internal/fairqueue":                  {"netutil", false},
	"internal/textutil":                   {"", false},
	"internal/netutil":                    {"", false},
	"internal/egress":                     {"", false},
	"internal/request":                    {"fairqueue authenticator strictjson", false},
	"internal/files":                      {"", false},
	"internal/users":                      {"fairqueue authenticator files netutil store textutil", false},
	"internal/token":                      {"egress authenticator files netutil strictjson claimpath textutil", false},
	"internal/oidc":                       {"authenticator token textutil", false},
	"internal/policycheck/lint":           {"", false},
	"internal/policycheck/explain":        {"", false},
	"internal/policycheck/counterexample": {"", false},
	"internal/accesstable":                {"authenticator request claimpath textutil", false},
	"internal/policy/builtins":            {"egress strictjson", false},
	"internal/policy/decision":            {"authenticator request", false},
	"internal/policy":                     {"accesstable fairqueue authenticator request files policycheck/lint policycheck/explain policycheck/counterexample policies policy/builtins policy/decision", false},
	"internal/respheader":                 {"", false},
	"internal/store":                      {"egress", false},
	"internal/session":                    {"authenticator netutil store", false},
	"internal/login":                      {"authenticator netutil request users session store pages oidc", false},
	"internal/cors":                       {"respheader", false},
	"internal/pages":                      {"authenticator files errorpages respheader", false},
	"internal/caddyfileutil":              {"textutil", true},
	"internal/pool":                       {"", true},
	"internal/authn":                      {"fairqueue netutil authenticator files users token caddyfileutil pool request login session store oidc", true},
	"internal/observe":                    {"authenticator claimpath", true},
	"internal/question":                   {"authenticator request policy", false},
	"internal/admin":                      {"authn egress policy question pool observe session", true},
	"internal/settings":                   {"cors pages caddyfileutil policy pool request policy/builtins textutil", true},
	"internal/placement":                  {"login", true},
	"internal/exchange":                   {"authenticator authn observe policy request respheader", true},
	"internal/forward":                    {"authenticator claimpath policy request respheader exchange", true},
	"internal/deny":                       {"fairqueue authn cors pages authenticator login admin placement policy question request respheader exchange policy/decision", true},
	"internal/command":                    {"accesstable caddyfileutil authenticator request users policy token authn policycheck/explain question admin files policycheck/counterexample policy/decision textutil", true},
	"policies":                            {"", false},
	"errorpages":                          {"", false},

	"internal/pages/challengetest": {"", false}, // for tests
	"internal/store/redistest":     {"", false}, // for tests
	"internal/oidc/oidctest":       {"", false}, // for tests
}

// TestHouse holds who may know whom: a shortcut fails the build. Test files may
// look at what they compare with.
func TestHouse(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		room, known := rooms[dir]
		if !known {
			if strings.HasPrefix(dir, "internal/") {
				t.Errorf("%s: a room that the house does not know", dir)
			}
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name := strings.Trim(spec.Path.Value, `"`)
			if own, ok := strings.CutPrefix(name, ourModule+"/"); ok && !slices.Contains(strings.Fields(room.imports), strings.TrimPrefix(own, "internal/")) {
				t.Errorf("%s imports %s, may import: %s", path, own, room.imports)
			}
			if name == ourModule {
				t.Errorf("%s imports the root", path)
			}
			if strings.HasPrefix(name, "github.com/caddyserver/caddy/") && !room.caddy {
				t.Errorf("%s knows Caddy", path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestTopLevel: nothing but the three files of wiring stands at the top.
func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && !slices.Contains([]string{"module.go", "caddyfile.go", "handler.go"}, name) {
			t.Errorf("%s stands at the top", name)
		}
	}
}

// TestNoMachine: no path of a machine stands in any file of the project.
func TestNoMachine(t *testing.T) {
	home, _ := os.UserHomeDir()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if entry.Name() == ".git" {
				return filepath.SkipDir
			}
			return err
		}
		content, err := os.ReadFile(path)
		for _, place := range []string{here + "/", filepath.Join(home, "go") + "/"} {
			if strings.Contains(string(content), place) {
				t.Errorf("%s names %s", path, place)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
