package command

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
)

// fence is a fenced block of Markdown: its language and its text.
var fence = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// TestDocs does what docs/commands.md says, in the order of the page, and
// compares what it promises with what happens. "…" is whatever comes.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	dir, done := t.TempDir(), 0
	if err := os.WriteFile(filepath.Join(dir, "password.txt"), []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, block := range fence.FindAllStringSubmatch(string(page), -1) {
		switch block[1] {
		case "console":
			for _, step := range strings.Split("\n"+block[2], "\n$ ")[1:] {
				command, promised, _ := strings.Cut(step, "\n")
				if to, ok := strings.CutPrefix(command, "cd "); ok {
					dir = filepath.Join(dir, to)
					continue
				}
				shell(t, dir, strings.Replace(command, "password.txt", "../password.txt", 1), strings.TrimSuffix(promised, "\n"))
				done++
			}
		case "rego":
			tested(t, block[2])
		default:
			t.Errorf("a block of %s, which nobody tests", block[1])
		}
	}
	if done < 15 {
		t.Errorf("only %d commands", done)
	}
}

// shell runs a command line and holds what it prints.
func shell(t *testing.T, dir, line, promised string) {
	t.Helper()
	bash := exec.CommandContext(t.Context(), "bash", "-c", line)
	bash.Dir = dir
	output, _ := bash.CombinedOutput()
	var parts []string
	for part := range strings.SplitSeq(promised, "…") {
		parts = append(parts, regexp.QuoteMeta(part))
	}
	want := regexp.MustCompile(`(?s)^` + strings.Join(parts, ".*") + `$`)
	if got := strings.TrimSuffix(string(output), "\n"); !want.MatchString(got) {
		t.Errorf("$ %s\npromises\n%s\ngot\n%s", line, promised, got)
	}
}

// tested runs tests that the page shows, over a policy for members.
func tested(t *testing.T, source string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"authz.rego":      "package caddy.authz\n\nallow if \"member\" in input.identity.roles\n",
		"authz_test.rego": source,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if report, err := testrun.Run(t.Context(), bundle.Options{Sources: []string{dir}, Decision: "data.caddy.authz.allow"}, testrun.Options{}); err != nil || !report.Passed() {
		t.Errorf("got %v, %v", report.Results, err)
	}
}
