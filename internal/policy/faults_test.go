package policy

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fault is a fault that a test must find when it is planted in a file: to stands
// where from stood.
type fault struct{ name, file, from, to string }

// findFaults holds that a test finds each fault, planted alone in a directory, within
// a time for which the test goes on; "" is its usual one. Each needs a build of its own; without POLICY_AUTH_LONG it only holds that each can be
// planted.
func findFaults(t *testing.T, test, dir, within string, faults []fault) {
	long := longTests(t) > 0
	for _, fault := range faults {
		path, changed := plant(t, filepath.Join(dir, fault.file), fault.from, fault.to)
		if !long {
			continue
		}
		t.Run(fault.name, func(t *testing.T) {
			room := t.TempDir()
			faulty, overlay := filepath.Join(room, fault.file), filepath.Join(room, "overlay.json")
			paths, _ := json.Marshal(map[string]map[string]string{"Replace": {path: faulty}})
			for path, content := range map[string]string{faulty: changed, overlay: string(paths)} {
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			command := exec.CommandContext(t.Context(), "go", "test", "-vet=off", "-overlay", overlay, "-run", "^"+test+"$", ".")
			command.Env = append(os.Environ(), "POLICY_AUTH_LONG="+within)
			if output, err := command.CombinedOutput(); err == nil || !strings.Contains(string(output), "--- FAIL: "+test) {
				t.Errorf("it is not found: %v\n%s", err, output)
			}
		})
	}
}

// plant returns the absolute path of a file, and its content with a fault.
func plant(t *testing.T, file, from, to string) (path, content string) {
	t.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	original, err := os.ReadFile(path)
	if err != nil || strings.Count(string(original), from) != 1 {
		t.Fatalf("%s: %q stands there %d times, %v", file, from, strings.Count(string(original), from), err)
	}
	return path, strings.Replace(string(original), from, to, 1)
}
