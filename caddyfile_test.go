package policyauth

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// TestCaddyfile adapts each testdata/caddyfile/*.caddyfile and compares with
// what stands below its line of dashes: JSON, or the error. T-63, T-65: bad
// words are errors with a line; the goldens' JSON is what TestProvision loads.
func TestCaddyfile(t *testing.T) {
	files, err := filepath.Glob("testdata/caddyfile/*.caddyfile")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(content), "\n----------\n")
			got := adapt(input)
			if *update {
				if err := os.WriteFile(file, []byte(input+"\n----------\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if bad := strings.HasPrefix(filepath.Base(file), "bad_"); bad != strings.HasPrefix(got, "error: ") {
				t.Errorf("the file's name says bad %v", bad)
			}
		})
	}
}

// adapt turns a Caddyfile into JSON, or says why not.
func adapt(input string) string {
	adapter := caddyconfig.GetAdapter("caddyfile")
	result, _, err := adapter.Adapt([]byte(input), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, result, "", "\t"); err != nil {
		return "error: " + err.Error() + "\n"
	}
	return indented.String() + "\n"
}

// FuzzCaddyfile: no block panics the parser, and one that is taken says the same again
// as JSON.
//
// T-66
func FuzzCaddyfile(f *testing.F) {
	files, err := filepath.Glob("testdata/caddyfile/*.caddyfile")
	if err != nil || len(files) == 0 {
		f.Fatalf("no goldens: %v", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		input, _, _ := strings.Cut(string(content), "\n----------\n")
		if at := strings.Index(input, "policy_auth"); at >= 0 {
			f.Add(input[at:])
		}
	}
	f.Fuzz(func(t *testing.T, input string) {
		var h, again Handler
		if h.UnmarshalCaddyfile(caddyfile.NewTestDispenser(input)) != nil {
			return
		}
		encoded, err := json.Marshal(&h)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(encoded, &again); err != nil {
			t.Fatalf("%s: %v", encoded, err)
		}
		if second, err := json.Marshal(&again); err != nil || !bytes.Equal(encoded, second) {
			t.Errorf("%s is read as %s, %v", encoded, second, err)
		}
	})
}
