package request

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "rewrite policies/schemas/input.json")

// TestSchema: the shipped schema is what the types say.
func TestSchema(t *testing.T) {
	want, err := json.MarshalIndent(Schema(), "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	const name = "../../policies/schemas/input.json"
	if *update {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is out of date (%v): go test ./internal/request -run TestSchema -update", name, err)
	}
}
