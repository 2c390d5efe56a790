package policyauth

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/users"
)

// blockForm is a fenced block of Markdown: its language, what else stands on
// the fence, and its text.
var blockForm = regexp.MustCompile("(?ms)^```([a-z]+) ?([a-z]*)\n(.*?)^```$")

// blocks returns the README's blocks of a language.
func blocks(t testing.TB, language, kind string) []string {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, match := range blockForm.FindAllStringSubmatch(string(readme), -1) {
		if match[1] == language && match[2] == kind {
			found = append(found, match[3])
		}
	}
	if len(found) == 0 {
		t.Fatalf("the README has no block %s %s", language, kind)
	}
	return found
}

// TestREADMEFiles: the files that the README shows are taken as they are. Its
// Caddyfiles and its walk-through are run by the end-to-end tests.
func TestREADMEFiles(t *testing.T) {
	for _, content := range blocks(t, "yaml", "users") {
		if _, err := users.ParseUsers("users.yaml", []byte(content)); err != nil {
			t.Error(err)
		}
	}
	for _, content := range blocks(t, "yaml", "keys") {
		if _, err := users.ParseKeys("keys.yaml", []byte(content)); err != nil {
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
	for _, content := range blocks(t, "yaml", "access") {
		load(t, policy.Config{Access: []string{write("access.yaml", content)}})
	}
	for _, content := range blocks(t, "rego", "") {
		load(t, policy.Config{Sources: []string{write("authz.rego", content)}})
	}
}

func load(t testing.TB, config policy.Config) {
	t.Helper()
	set, err := policy.Open(config, func(policy.Report) {})
	if err != nil {
		t.Error(err)
		return
	}
	if err := set.Close(); err != nil {
		t.Error(err)
	}
}

// TestREADMENames: each word of the directive's grammar is in the README.
func TestREADMENames(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for word := range new(Handler).words() {
		if !strings.Contains(string(readme), "`"+word) {
			t.Errorf("the README does not explain %s", word)
		}
	}
}

// TestDecisionsPage: the policies of docs/decisions.md are taken, together.
func TestDecisionsPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("docs", "decisions.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir, found := t.TempDir(), 0
	for i, match := range blockForm.FindAllStringSubmatch(string(page), -1) {
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
