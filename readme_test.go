package policyauth

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
	"github.com/policyauth/caddy-policy-auth/internal/users"
	"github.com/policyauth/caddy-policy-auth/test/testenv"
)

// TestREADMEFiles: the files that the manual shows are taken as they are. Its
// Caddyfiles and its walk-through are run by the end-to-end tests.
func TestREADMEFiles(t *testing.T) {
	for _, content := range testenv.Blocks(t, ".", "yaml", "users") {
		if _, err := users.ParseUsers("users.yaml", []byte(content)); err != nil {
			t.Error(err)
		}
	}
	for _, content := range testenv.Blocks(t, ".", "yaml", "keys") {
		if _, err := users.ParseAPIKeys("keys.yaml", []byte(content)); err != nil {
			t.Error(err)
		}
	}
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, content := range testenv.Blocks(t, ".", "yaml", "access") {
		load(t, policy.Config{Access: []string{write("access.yaml", content)}})
	}
	for _, content := range testenv.Blocks(t, ".", "rego", "") {
		load(t, policy.Config{Sources: []string{write("authz.rego", content)}})
	}
}

func load(t testing.TB, config policy.Config) {
	t.Helper()
	set, err := policy.Open(config, testrun.Checker(), func(policy.Report) {})
	if err != nil {
		t.Error(err)
		return
	}
	if err := set.Close(); err != nil {
		t.Error(err)
	}
}

// TestREADMENames: the syntax in the README and in docs/directive.md has each
// subdirective, and that of the pages of reference each word of each block.
func TestREADMENames(t *testing.T) {
	for _, page := range []string{"README.md", "docs/directive.md"} {
		syntax := syntaxOf(t, page)
		for word := range new(Handler).words() {
			if !hasWord(syntax, word) {
				t.Errorf("the syntax in %s lacks %s", page, word)
			}
		}
	}
	for page, blocks := range map[string][]string{
		"docs/directive.md": {"cors {", "body {", "error_pages {", "error_pages {\nbrand {", "identity_jwt {", "me {"},
		"docs/methods.md":   {"jwt https://id.example.com {", "jwt https://id.example.com {\nresource https://api.example.com {", "basic {", "api_key {"},
		"docs/sign-in.md":   {"login form {", "login oidc https://id.example.com {", "session {"},
		"docs/policies.md":  {"policies authz.rego {"},
	} {
		syntax := syntaxOf(t, page)
		for _, block := range blocks {
			text := "policy_auth {\n" + block + "\nno_such_word\n" + strings.Repeat("}\n", strings.Count(block, "{")+1)
			_, allowed, found := strings.Cut(fmt.Sprint(new(Handler).UnmarshalCaddyfile(caddyfile.NewTestDispenser(text))), "; allowed: ")
			allowed, _, _ = strings.Cut(allowed, ",")
			if !found {
				t.Errorf("%s: no words", block)
			}
			for _, word := range strings.Fields(allowed) {
				if !hasWord(syntax, word) {
					t.Errorf("%s: the syntax of %s lacks %s", page, block, word)
				}
			}
		}
	}
}

// TestManualOrigins: the origins that docs/directive.md calls an error are one, and the
// others are not.
func TestManualOrigins(t *testing.T) {
	text, err := os.ReadFile("docs/directive.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| `origins` | meaning |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	tried := 0
	for row := range strings.SplitSeq(table, "\n") {
		origins, meaning, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
		for _, origin := range strings.Fields(strings.ReplaceAll(origins, "`", "")) {
			block := "policy_auth {\ncors {\norigins " + origin + "\n"
			if strings.Contains(meaning, "with `credentials`") {
				block += "credentials\n"
			}
			err := new(Handler).UnmarshalCaddyfile(caddyfile.NewTestDispenser(block + "}\n}\n"))
			if (err != nil) != strings.HasPrefix(meaning, "error") {
				t.Errorf("%s: %v, but: %s", origin, err, meaning)
			}
			tried++
		}
	}
	if tried < 10 {
		t.Errorf("%d origins", tried)
	}
}

// hasWord reports whether a line of a syntax begins with a word.
func hasWord(syntax, word string) bool {
	return regexp.MustCompile(`(?m)^\t+` + word + `\b`).MatchString(syntax)
}

// syntaxOf returns the blocks of a page that show the syntax.
func syntaxOf(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var syntax strings.Builder
	for _, match := range testenv.BlockForm.FindAllStringSubmatch(string(text), -1) {
		if match[1] == "caddyfile" && match[2] == "syntax" {
			syntax.WriteString(match[3])
		}
	}
	return syntax.String()
}

// TestREADMELinks: the index, or that of a folder, names each page of the documents, and
// each link between them leads to a file, and to a heading if it names one.
func TestREADMELinks(t *testing.T) {
	pages := manual(t)
	index := filepath.Join("docs", "README.md")
	linked := map[string]bool{index: true}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range linkForm.FindAllStringSubmatch(string(text), -1) {
			file, heading, _ := strings.Cut(match[1], "#")
			if strings.Contains(file, ":") {
				continue // elsewhere
			}
			to := page
			if file != "" {
				to = filepath.Join(filepath.Dir(page), file)
			}
			content, err := readAny(to)
			if err != nil || heading != "" && !slices.Contains(headings(string(content)), heading) {
				t.Errorf("%s: the link %s leads nowhere", page, match[1])
			}
			if page == index || filepath.Base(page) == filepath.Base(index) && filepath.Dir(page) == filepath.Dir(to) {
				linked[to] = true
			}
		}
	}
	for _, page := range pages {
		if !linked[page] {
			t.Errorf("docs/README.md does not name %s", page)
		}
	}
}

// manual returns the README and all pages of the documents.
func manual(t *testing.T) []string {
	t.Helper()
	pages := []string{"README.md"}
	for _, pattern := range []string{"docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	return pages
}

// readAny reads a file; of a directory, which a link may lead to, there is nothing to read.
func readAny(name string) ([]byte, error) {
	if info, err := os.Stat(name); err != nil || info.IsDir() {
		return nil, err
	}
	return os.ReadFile(name)
}

// TestManualCaddyfiles: each Caddyfile of each page can be loaded, with the files of
// examples/reference in place of those that it names. A block of directives alone is
// put into a site.
func TestManualCaddyfiles(t *testing.T) {
	t.Setenv("OIDC_SECRET", canary)
	t.Setenv("INTROSPECTION_SECRET", canary)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("examples/reference")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "envoy-policies"), os.DirFS("policies/examples/owners")); err != nil {
		t.Fatal(err)
	}
	certificate, err := os.ReadFile("testdata/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	keys := `{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	for name, content := range map[string]string{"cluster-keys.json": keys, "ca.crt": string(certificate), "ca.pem": string(certificate), "token": canary, "oidc-secret": canary} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	loaded := 0
	for _, page := range manual(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range testenv.BlockForm.FindAllStringSubmatch(string(text), -1) {
			if match[1] != "caddyfile" || match[2] == "syntax" {
				continue
			}
			content := strings.ReplaceAll(match[3], "/etc/caddy/envoy-policies {", dir+"/envoy-policies {\n decision data.examples.owners.allow")
			content = strings.NewReplacer(
				"/etc/caddy/", dir+"/", "output file ", "output file "+dir+"/", "/var/run/secrets/kubernetes.io/serviceaccount/", dir+"/",
			).Replace(content)
			if word, _, _ := strings.Cut(strings.TrimSpace(content), " "); word == "policy_auth" || word == "handle_path" {
				content = "app.example.com {\n" + content + "}\n"
			}
			if err := validate(content); err != nil {
				t.Errorf("%s: %v\n%s", page, err, match[3])
			}
			loaded++
		}
	}
	if loaded < 30 {
		t.Errorf("only %d Caddyfiles", loaded)
	}
}

// validate does what caddy validate does.
func validate(content string) error {
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(content), nil)
	if err != nil {
		return err
	}
	config := new(caddy.Config)
	if err := json.Unmarshal(adapted, config); err != nil {
		return err
	}
	return caddy.Validate(config)
}

// TestErrorPagesExample: the template of docs/error-pages.md is a page.
func TestErrorPagesExample(t *testing.T) {
	text, err := os.ReadFile("docs/error-pages.md")
	if err != nil {
		t.Fatal(err)
	}
	w := newEnv(t)
	for _, match := range testenv.BlockForm.FindAllStringSubmatch(string(text), -1) {
		if match[1] != "html" {
			continue
		}
		w.Write("own/error.html", match[3])
		h, _ := w.site(basicSite + "error_pages DIR/own\n")
		recorder, err := ask(h, asUser(get("/admin/", "Accept", "text/html"), "bob"), new(reached))
		if body := recorder.Body.String(); err != nil || recorder.Code != 403 || !strings.Contains(body, "<p>Request ") || !strings.Contains(body, "You are bob") {
			t.Errorf("%d %v\n%s", recorder.Code, err, body)
		}
		return
	}
	t.Error("there is no template")
}

// linkForm is a link of Markdown, or an image of HTML.
var linkForm = regexp.MustCompile(`(?:\]\(|src(?:set)?=")([^)"\s]+)`)

// headings returns the anchors of a page's headings.
func headings(text string) []string {
	var anchors []string
	for _, match := range headingForm.FindAllStringSubmatch(text, -1) {
		anchors = append(anchors, strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-"))
	}
	return anchors
}

var (
	headingForm = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notInAnchor = regexp.MustCompile(`[^a-z0-9 _-]`)
)

// TestDecisionsPage: the policies of docs/decisions.md are taken, together.
func TestDecisionsPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("docs", "decisions.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir, found := t.TempDir(), 0
	for i, match := range testenv.BlockForm.FindAllStringSubmatch(string(page), -1) {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.rego", i)), []byte(match[3]), 0o644); err != nil {
			t.Fatal(err)
		}
		found++
	}
	if found != 2 {
		t.Errorf("%d policies", found)
	}
	load(t, policy.Config{Sources: []string{dir}})
}
