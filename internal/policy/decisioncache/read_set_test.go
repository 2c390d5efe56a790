package decisioncache

import "testing"

// TestReadsPaths: a path is read with what is above it and with what is below.
func TestReadsPaths(t *testing.T) {
	r := ReadSet{"request.body": true, "identity.claims.team": true}
	for path, want := range map[string]bool{
		"request.body": true, "request.body.x": true, "request": true, "identity.claims": true,
		"request.bodyguard": false, "identity.claims.team2": false, "client": false,
	} {
		if r.Reads(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
	if all := (ReadSet{"": true}); !all.Reads("anything") {
		t.Error("the whole input does not hold everything")
	}
}
