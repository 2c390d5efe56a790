package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestReadInput: a document is one JSON object, and whatever else it is says so.
func TestReadInput(t *testing.T) {
	tests := []struct {
		name, content string
		want          string // the error, "" for none
	}{
		{"an object", `{"request": {"time_ns": 1700000000000000001}}` + "\n", ""},
		{"nothing", "", "standard input: the document is empty; want a JSON object"},
		{"null", "null", "standard input: want a JSON object, not null"},
		{"a list", "[]", "standard input: want a JSON object: "},
		{"cut off", `{"request":`, "standard input: want a JSON object: "},
		{"two", "{} {}", "standard input: there is more text after the JSON object"},
		{"rubbish behind", "{} x", "standard input: there is more text after the JSON object"},
		{"too long", `{"a": "` + strings.Repeat("x", maxInput) + `"}`, "standard input: more than 16 MiB"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cmd := new(cobra.Command)
			cmd.SetIn(strings.NewReader(test.content))
			_, err := readInput(cmd, "-")
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
				t.Errorf("got %v", err)
			}
		})
	}
	file := filepath.Join(t.TempDir(), "input.json")
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if document, err := readInput(new(cobra.Command), file); err != nil || document == nil {
		t.Errorf("got %v, %v", document, err)
	}
	if _, err := readInput(new(cobra.Command), file+".none"); err == nil {
		t.Error("a file that is not there was read")
	}
	if _, err := readInput(new(cobra.Command), ""); err == nil {
		t.Error("no file was read")
	}
}

// TestSources: a command that is asked about nothing, or about what cannot be,
// says what to name.
func TestSources(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, "no policies: name a directory"},
		{"a decision that is none", []string{"--policies", "x", "--decision", "allow"}, `decision: "allow" is not the path of a rule`},
		{"a built-in that is on", []string{"--policies", "x", "--builtin", "concat"}, `builtins: "concat" is not one that is off`},
		{"not there", []string{"--policies", "none"}, "none"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cmd := new(cobra.Command)
			s := addSources(cmd)
			if err := cmd.ParseFlags(test.args); err != nil {
				t.Fatal(err)
			}
			if set, err := s.open(cmd); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, %v", set, err)
			}
		})
	}
}
