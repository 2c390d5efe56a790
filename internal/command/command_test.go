package command

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"caddy": caddycmd.Main})
}

// TestScripts runs the commands as operators type them.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status, "mode": mode},
	})
}

// status runs a program and holds its exit status: status 2 caddy policy-auth.
func status(script *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		script.Fatalf("usage: status <number> <program> [<argument>...]")
	}
	err := script.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		script.Fatalf("exit status %s, want %s", got, args[0])
	}
}

// mode holds a file's permissions: mode 600 users.yaml.
func mode(script *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		script.Fatalf("usage: mode <octal> <file>")
	}
	info, err := os.Stat(script.MkAbs(args[1]))
	script.Check(err)
	if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[0] {
		script.Fatalf("mode %s, want %s", got, args[0])
	}
}

// TestExamples: each command says what it does and has examples, which it takes.
func TestExamples(t *testing.T) {
	root := &cobra.Command{Use: "caddy"}
	parent := &cobra.Command{Use: "policy-auth"}
	root.AddCommand(parent)
	assemble(parent)
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, member := range cmd.Commands() {
			t.Run(member.CommandPath(), func(t *testing.T) {
				if member.Short == "" || member.Example == "" || member.RunE == nil {
					t.Error("no description, no example, or nothing that it does")
				}
				for line := range strings.Lines(member.Example) {
					example(t, root, member, strings.TrimSpace(line))
				}
			})
			walk(member)
		}
	}
	walk(parent)
}

// example holds that a line of help is for a command, or one of its members, and
// that the flags in it exist.
func example(t *testing.T, root, of *cobra.Command, line string) {
	t.Helper()
	for _, shell := range []string{"|", "<"} {
		before, after, _ := strings.Cut(line, " "+shell+" ")
		if line = before; strings.HasPrefix(after, "caddy ") {
			line = after
		}
	}
	words := strings.Fields(line)
	if len(words) < 3 || words[0] != "caddy" {
		t.Errorf("%q is no command line", line)
		return
	}
	found, rest, err := root.Find(words[1:])
	if err == nil && found.HasParent() && (found == of || found.Parent() == of) {
		err = found.ParseFlags(rest)
	} else if err == nil {
		t.Errorf("%q is for %s", line, found.CommandPath())
	}
	if err != nil {
		t.Errorf("%q: %v", line, err)
	}
}
