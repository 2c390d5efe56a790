package policyauth

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const ourModule = "github.com/policyauth/caddy-policy-auth"

// packages has the packages of this module that each package may import, and whether it may
// import Caddy. The table in docs/CONTRIBUTING.md says the same.
var packages = map[string]struct {
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
	"internal/request":                    {"fairqueue authenticator strictjson clientcert", false},
	"internal/files":                      {"", false},
	"internal/users":                      {"fairqueue authenticator netutil store textutil", false},
	"internal/token":                      {"egress authenticator netutil strictjson claimpath textutil", false},
	"internal/oidc":                       {"authenticator token textutil", false},
	"internal/identityjwt":                {"authenticator netutil token", false},
	"internal/me":                         {"authenticator claimpath request textutil", false},
	"internal/introspection":              {"fairqueue netutil oidc textutil token", false},
	"internal/policycheck/lint":           {"authenticator policy/builtins policy/bundle request", false},
	"internal/policycheck/explain":        {"authenticator accesstable policy policy/bundle request policy/decisionlog", false},
	"internal/policycheck/counterexample": {"authenticator accesstable policy/builtins policy/bundle policy/decision policycheck/lint policycheck/testrun request policy/decisioncache", false},
	"internal/accesstable":                {"authenticator request claimpath textutil", false},
	"internal/policy/builtins":            {"egress strictjson", false},
	"internal/policy/decision":            {"authenticator request headers", false},
	"internal/policy/bundle":              {"accesstable files policies policy/builtins textutil", false},
	"internal/policy/policytest":          {"", false},
	"internal/policycheck/testrun":        {"policy/builtins policy/bundle policycheck/lint request", false},
	"internal/headers":                    {"request", false},
	"internal/policy":                     {"accesstable authenticator fairqueue files policy/builtins policy/bundle policy/decision request policy/decisioncache policy/decisionlog", false},
	"internal/respheader":                 {"", false},
	"internal/store":                      {"egress", false},
	"internal/person":                     {"", false},
	"internal/apppassword":                {"authenticator person store", false},
	"internal/session":                    {"authenticator netutil store person", false},
	"internal/login":                      {"authenticator netutil request users session store pages oidc person apppassword", false},
	"internal/cors":                       {"respheader", false},
	"internal/pages":                      {"authenticator files errorpages respheader", false},
	"internal/sharelink":                  {"authenticator request session store pages", true},
	"internal/caddyfileutil":              {"textutil", true},
	"internal/pool":                       {"", true},
	"internal/authn":                      {"fairqueue netutil authenticator files users token caddyfileutil pool request login session store oidc dpop introspection clientcert placement sharelink apppassword", true},
	"internal/observe":                    {"authenticator claimpath", true},
	"internal/admin":                      {"authn egress policy pool observe session policycheck/testrun policycheck/explain policy/decisionlog sharelink apppassword", true},
	"internal/settings":                   {"cors pages caddyfileutil policy pool request policy/builtins textutil identityjwt placement forward login me policy/bundle", true},
	"internal/placement":                  {"login", true},
	"internal/exchange":                   {"authenticator authn observe policy request respheader", true},
	"internal/guest":                      {"authenticator authn exchange login observe pages request sharelink", true},
	"internal/forward":                    {"authenticator claimpath policy request respheader exchange headers", true},
	"internal/deny":                       {"fairqueue authn cors pages authenticator login admin placement policy request respheader exchange policy/decision policy/decisionlog", true},
	"internal/command":                    {"accesstable authenticator request users policy policycheck/explain admin policycheck/counterexample policy/decision textutil policycheck/testrun policy/decisionlog policy/bundle sharelink", true},
	"policies":                            {"", false},
	"errorpages":                          {"", false},
	"internal/policy/decisioncache":       {"authenticator policy/builtins policy/decision", false},
	"internal/dpop":                       {"authenticator store token fairqueue", false},
	"internal/clientcert/certtest":        {"", false},
	"internal/clientcert":                 {"authenticator token", false},
	"internal/policy/decisionlog":         {"authenticator policy/bundle request", false},

	"internal/pages/challengetest": {"", false}, // for tests
	"internal/store/redistest":     {"", false}, // for tests
	"internal/oidc/oidctest":       {"", false}, // for tests
}

// TestLayering checks that no package imports more than packages allows. Test files may.
func TestLayering(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		allowed, known := packages[dir]
		if !known {
			if strings.HasPrefix(dir, "internal/") {
				t.Errorf("%s: the package is not in the list of packages", dir)
			}
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name := strings.Trim(spec.Path.Value, `"`)
			if own, ok := strings.CutPrefix(name, ourModule+"/"); ok && !slices.Contains(strings.Fields(allowed.imports), strings.TrimPrefix(own, "internal/")) {
				t.Errorf("%s imports %s, may import: %s", path, own, allowed.imports)
			}
			if name == ourModule {
				t.Errorf("%s imports the root", path)
			}
			if strings.HasPrefix(name, "github.com/caddyserver/caddy/") && !allowed.caddy {
				t.Errorf("%s imports Caddy", path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestContributing checks docs/CONTRIBUTING.md: its table has the imports of packages, its
// links lead to files, and a file has the names that follow a link to it in a table.
func TestContributing(t *testing.T) {
	content, err := os.ReadFile("docs/CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(content)) {
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		if name := strings.Trim(cells[0], " `"); len(cells) == 4 && name != "root" {
			checkImportsRow(t, name, cells)
		}
		if len(cells) == 2 && strings.Contains(cells[1], "](") {
			rows++
		}
		for _, link := range contributingLink.FindAllStringSubmatch(line, -1) {
			checkContributingLink(t, link[1], link[2], strings.HasPrefix(line, "| "))
		}
	}
	if rows < 25 {
		t.Errorf("the table of places to change has %d rows, want 25", rows)
	}
}

// contributingLink is a link, and the names that follow it.
var contributingLink = regexp.MustCompile("\\]\\(([^)#]+)\\)((?:,? `[A-Za-z]+`)*)")

func checkImportsRow(t *testing.T, name string, cells []string) {
	allowed, known := packages[name]
	if !known {
		return // the head of the table
	}
	documented := strings.Fields(strings.NewReplacer(",", " ", "–", "").Replace(cells[2]))
	imports := strings.Fields(allowed.imports)
	slices.Sort(documented)
	slices.Sort(imports)
	if !slices.Equal(documented, imports) || strings.TrimSpace(cells[3]) == "yes" != allowed.caddy {
		t.Errorf("%s: CONTRIBUTING.md has the imports %v, Caddy %s; want %v, %v", name, documented, cells[3], imports, allowed.caddy)
	}
}

func checkContributingLink(t *testing.T, target, names string, table bool) {
	if strings.Contains(target, "://") {
		return
	}
	path := filepath.Join("docs", filepath.FromSlash(target))
	info, err := os.Stat(path)
	if err != nil {
		t.Errorf("CONTRIBUTING.md links to %s: %v", target, err)
		return
	}
	if !table || info.IsDir() {
		return
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	for _, name := range strings.FieldsFunc(names, func(c rune) bool { return strings.ContainsRune(" ,`", c) }) {
		if !regexp.MustCompile(`\b` + name + `\b`).Match(content) {
			t.Errorf("CONTRIBUTING.md names %s, which is not in %s", name, target)
		}
	}
}

// TestTopLevel checks that the root has the three files of the handler and at most ten
// test files.
func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	tests := 0
	for _, entry := range entries {
		name := entry.Name()
		switch {
		case strings.HasSuffix(name, "_test.go"):
			tests++
		case strings.HasSuffix(name, ".go") && !slices.Contains([]string{"module.go", "caddyfile.go", "handler.go"}, name):
			t.Errorf("%s is not a file of the handler", name)
		}
	}
	if tests > 10 {
		t.Errorf("%d test files at the root, at most 10 are allowed", tests)
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
